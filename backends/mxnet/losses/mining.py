"""Which pixels are hard (core/losses/mining.py), found on the CPU in numpy. The loss is the cross-entropy of those."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray

from core.data import IGNORE
from core.losses import OHEM, Bootstrapped, Measure


def _only(
    kept: np.ndarray, losses: NDArray, labels: np.ndarray, measure: Measure, total: float | None
) -> tuple[NDArray, Measure]:
    """The labels of the pixels `kept` [N, H, W], and a measure that divides by `total` or by their weights."""
    if total is None:
        weights = measure.class_weights
        total = float(np.count_nonzero(kept) if weights is None else np.take(weights, labels[kept]).sum()) or 1.0
    target = nd.array(np.where(kept, labels, IGNORE), ctx=losses.context, dtype=np.int64)
    return target, replace(measure, divisor=total / measure.share)


def ohem(losses: NDArray, target: NDArray, term: OHEM, measure: Measure) -> tuple[NDArray, Measure]:
    labels, probability = target.asnumpy(), np.exp(-losses.asnumpy())
    valid = labels != IGNORE
    labelled = probability[valid]
    rank = term.rank(labelled.size, len(labels))
    limit = 2.0 if rank is None else term.threshold
    if rank:
        limit = max(limit, float(np.partition(labelled, rank - 1)[rank - 1]))
    kept = valid & ((probability < limit) if term.strict else (probability <= limit))
    return _only(kept, losses, labels, measure, float(labels.size) if term.denominator == "all" else None)


def bootstrapped(losses: NDArray, target: NDArray, term: Bootstrapped, measure: Measure) -> tuple[NDArray, Measure]:
    labels, found = target.asnumpy(), losses.asnumpy()
    valid = labels != IGNORE
    kept = valid & (found > term.threshold)
    labelled = found[valid]
    if labelled.size and np.count_nonzero(kept) <= term.min_kept:
        place = labelled.size - min(term.min_kept, labelled.size)
        kept = valid & (found >= np.partition(labelled, place)[place])
    return _only(kept, losses, labels, measure, None)

"""Cross-entropy over the hard pixels alone (core/losses/mining.py). Which they are is found on the CPU, in numpy."""

from __future__ import annotations

import numpy as np
from mxnet import autograd, nd
from mxnet.ndarray import NDArray

from backends.mxnet.losses.cross_entropy import negative_log, pixel_weights
from core.data import IGNORE
from core.losses import OHEM, Bootstrapped, Measure


def _mean_over(kept: np.ndarray, logits: NDArray, target: NDArray, measure: Measure, total: float | None) -> NDArray:
    """The (weighted) cross-entropy of the pixels `kept` [N, H, W], over `total` or their weights."""
    with autograd.pause():
        hard = nd.array(kept, ctx=logits.context, dtype=logits.dtype)
        weights = pixel_weights(logits, target, measure.class_weights) * hard
        if total is None:
            total = float(weights.sum().asscalar()) or 1.0
    return (negative_log(logits, target) * weights).sum() / total * measure.share


def ohem(logits: NDArray, target: NDArray, term: OHEM, measure: Measure) -> NDArray:
    with autograd.pause():
        probability = nd.exp(-negative_log(logits, target)).asnumpy()
        valid = target.asnumpy() != IGNORE
        labelled = probability[valid]
        rank = term.rank(labelled.size, len(target))
        limit = 2.0 if rank is None else term.threshold
        if rank:
            limit = max(limit, float(np.partition(labelled, rank - 1)[rank - 1]))
        kept = valid & ((probability < limit) if term.strict else (probability <= limit))
    return _mean_over(kept, logits, target, measure, float(target.size) if term.denominator == "all" else None)


def bootstrapped(logits: NDArray, target: NDArray, term: Bootstrapped, measure: Measure) -> NDArray:
    with autograd.pause():
        loss = negative_log(logits, target).asnumpy()
        valid = target.asnumpy() != IGNORE
        kept = valid & (loss > term.threshold)
        labelled = loss[valid]
        if labelled.size and np.count_nonzero(kept) <= term.min_kept:
            place = labelled.size - min(term.min_kept, labelled.size)
            kept = valid & (loss >= np.partition(labelled, place)[place])
    return _mean_over(kept, logits, target, measure, None)

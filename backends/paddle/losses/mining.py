"""Which pixels are hard (core/losses/mining.py). The loss is the cross-entropy of those alone."""

from __future__ import annotations

from dataclasses import replace

import paddle
from paddle import Tensor

from backends.paddle.losses.cross_entropy import class_weights
from core.data import IGNORE
from core.losses import OHEM, Bootstrapped, Measure


def _only(
    kept: Tensor, losses: Tensor, target: Tensor, measure: Measure, total: float | None
) -> tuple[Tensor, Measure]:
    """The labels of the pixels `kept` [N, H, W], and a measure that divides by `total` or by their weights."""
    weight = class_weights(losses, measure.class_weights)
    if total is None:
        total = float(kept.sum())
        if weight is not None and total:
            total = float(weight[target[kept]].sum())
    labels = paddle.where(kept, target, paddle.full_like(target, IGNORE))
    return labels, replace(measure, divisor=(total or 1.0) / measure.share)


def ohem(losses: Tensor, target: Tensor, term: OHEM, measure: Measure) -> tuple[Tensor, Measure]:
    valid, probability = target != IGNORE, paddle.exp(-losses)
    rank = term.rank(int(valid.sum()), len(target))
    limit = 2.0 if rank is None else term.threshold
    if rank:
        limit = max(limit, float(paddle.kthvalue(probability[valid], rank)[0]))
    kept = valid & ((probability < limit) if term.strict else (probability <= limit))
    return _only(kept, losses, target, measure, float(target.size) if term.denominator == "all" else None)


def bootstrapped(losses: Tensor, target: Tensor, term: Bootstrapped, measure: Measure) -> tuple[Tensor, Measure]:
    valid = target != IGNORE
    kept = valid & (losses > term.threshold)
    count = int(valid.sum())
    if count and int(kept.sum()) <= term.min_kept:
        least = paddle.topk(losses[valid], min(term.min_kept, count))[0][-1]
        kept = valid & (losses >= least)
    return _only(kept, losses, target, measure, None)

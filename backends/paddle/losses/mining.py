"""Cross-entropy over the hard pixels alone (core/losses/mining.py)."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor

from backends.paddle.losses.cross_entropy import class_weights, summed
from core.data import IGNORE
from core.losses import OHEM, Bootstrapped, Measure


def _mean_over(kept: Tensor, logits: Tensor, target: Tensor, measure: Measure, total: float | None) -> Tensor:
    """The (weighted) cross-entropy of the pixels `kept` [N, H, W], over `total` or their weights."""
    labels = paddle.where(kept, target, paddle.full_like(target, IGNORE))
    weight = class_weights(logits, measure.class_weights)
    if total is None:
        total = float(kept.sum())
        if weight is not None and total:
            total = float(weight[target[kept]].sum())
    return summed(logits, labels, weight) / (total or 1.0) * measure.share


@paddle.no_grad()
def _log_of_true_class(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """log p of each pixel's class [N, H, W]; of class 0 where it is ignored."""
    true_class = paddle.where(valid, target, paddle.zeros_like(target)).unsqueeze(1)
    return paddle.take_along_axis(F.log_softmax(logits, axis=1), true_class, axis=1).squeeze(1)


def ohem(logits: Tensor, target: Tensor, term: OHEM, measure: Measure) -> Tensor:
    with paddle.no_grad():
        valid = target != IGNORE
        probability = _log_of_true_class(logits, target, valid).exp()
        count = int(valid.sum())
        rank = term.rank(count, len(target))
        limit = 2.0 if rank is None else term.threshold
        if rank:
            limit = max(limit, float(paddle.kthvalue(probability[valid], rank)[0]))
        kept = valid & ((probability < limit) if term.strict else (probability <= limit))
    total = float(target.size) if term.denominator == "all" else None
    return _mean_over(kept, logits, target, measure, total)


def bootstrapped(logits: Tensor, target: Tensor, term: Bootstrapped, measure: Measure) -> Tensor:
    with paddle.no_grad():
        valid = target != IGNORE
        loss = -_log_of_true_class(logits, target, valid)
        kept = valid & (loss > term.threshold)
        count = int(valid.sum())
        if count and int(kept.sum()) <= term.min_kept:
            least = paddle.topk(loss[valid], min(term.min_kept, count))[0][-1]
            kept = valid & (loss >= least)
    return _mean_over(kept, logits, target, measure, None)

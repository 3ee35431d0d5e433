"""Cross-entropy (core/losses/cross_entropy.py). Classes stand last: Paddle's softmax is thrice as fast there."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import Tensor

from core.data import IGNORE
from core.losses import CrossEntropy, Measure, MixedSoftmax, NegativeLogLikelihood


def class_weights(logits: Tensor, weights: Sequence[float] | None) -> Tensor | None:
    """[C], of the logits' type."""
    return None if weights is None else paddle.to_tensor(weights, dtype=logits.dtype)


def summed(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """The (weighted) cross-entropy of logits [N, H, W, C] summed over the labelled pixels."""
    return F.cross_entropy(logits, target, weight, ignore_index=IGNORE, reduction="sum")


def cross_entropy(logits: Tensor, target: Tensor, term: CrossEntropy, measure: Measure) -> Tensor:
    weight = class_weights(logits, measure.class_weights)
    total = summed(logits, target, weight)
    if term.smoothing > 0:  # Paddle's own label_smoothing knows no ignored label
        log_p = F.log_softmax(logits) * (target != IGNORE).astype(logits.dtype).unsqueeze(-1)
        spread = log_p if weight is None else log_p * weight
        total = (1 - term.smoothing) * total - term.smoothing / logits.shape[-1] * spread.sum()
    return total / measure.divisor


def nll(logits: Tensor, target: Tensor, term: NegativeLogLikelihood, measure: Measure) -> Tensor:
    # F.nll_loss writes beyond its arrays where a label is outside the classes, ignored or not.
    valid = target != IGNORE
    true_class = paddle.where(valid, target, paddle.zeros_like(target)).unsqueeze(-1)
    factor = valid.astype(logits.dtype).unsqueeze(-1)
    weight = class_weights(logits, measure.class_weights)
    if weight is not None:
        factor = factor * weight[true_class]
    return -(paddle.take_along_axis(logits, true_class, axis=-1) * factor).sum() / measure.divisor


def mixed_softmax(logits: Tensor, target: Tensor, term: MixedSoftmax, measure: Measure) -> Tensor:
    total = summed(logits, target)
    learned = total / measure.divisor
    return learned + (total / measure.reported - learned).detach()

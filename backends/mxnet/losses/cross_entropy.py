"""Cross-entropy (core/losses/cross_entropy.py). Gluon's own loss knows no label to ignore.

Classes stand last: MXNet's softmax is four times as fast there.
"""

from __future__ import annotations

from collections.abc import Sequence

from mxnet import nd
from mxnet.ndarray import NDArray

from core.data import IGNORE
from core.losses import CrossEntropy, Measure, MixedSoftmax, NegativeLogLikelihood


def class_weights(logits: NDArray, weights: Sequence[float]) -> NDArray:
    """[C], of the logits' type and on their device."""
    return nd.array(weights, ctx=logits.context, dtype=logits.dtype)


def pixel_weights(logits: NDArray, target: NDArray, weights: Sequence[float] | None) -> NDArray:
    """Each pixel's weight [N, H, W], 0 where it is ignored."""
    found = (target != IGNORE).astype(logits.dtype)
    if weights is not None:
        found = found * nd.take(class_weights(logits, weights), target, mode="clip")
    return found


def negative_log(logits: NDArray, target: NDArray) -> NDArray:
    """-log of the true class's probability [N, H, W], of [N, H, W, C]; of the last class where ignored (`clip`)."""
    return -nd.pick(nd.log_softmax(logits, axis=-1), target, axis=-1, mode="clip")


def cross_entropy(logits: NDArray, target: NDArray, term: CrossEntropy, measure: Measure) -> NDArray:
    total = (negative_log(logits, target) * pixel_weights(logits, target, measure.class_weights)).sum()
    if term.smoothing > 0:
        valid = nd.expand_dims(pixel_weights(logits, target, None), axis=-1)
        spread = nd.broadcast_mul(nd.log_softmax(logits, axis=-1), valid)
        if measure.class_weights is not None:
            spread = nd.broadcast_mul(spread, class_weights(logits, measure.class_weights).reshape((1, 1, 1, -1)))
        total = (1 - term.smoothing) * total - term.smoothing / logits.shape[-1] * spread.sum()
    return total / measure.divisor


def nll(logits: NDArray, target: NDArray, term: NegativeLogLikelihood, measure: Measure) -> NDArray:
    loss = -nd.pick(logits, target, axis=-1, mode="clip")
    return (loss * pixel_weights(logits, target, measure.class_weights)).sum() / measure.divisor


def mixed_softmax(logits: NDArray, target: NDArray, term: MixedSoftmax, measure: Measure) -> NDArray:
    total = (negative_log(logits, target) * pixel_weights(logits, target, None)).sum()
    learned = total / measure.divisor
    return learned + nd.BlockGrad(total / measure.reported - learned)

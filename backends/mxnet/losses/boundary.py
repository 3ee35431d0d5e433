"""Supervision of where classes meet (core/losses/boundary.py)."""

from __future__ import annotations

from mxnet import nd
from mxnet.ndarray import NDArray

from backends.mxnet.losses.cross_entropy import class_weights
from core.data import IGNORE
from core.losses import BoundaryCrossEntropy, Measure


def boundary(logits: NDArray, target: NDArray, term: BoundaryCrossEntropy, measure: Measure) -> NDArray:
    logits = nd.squeeze(logits, axis=-1)
    factor, truth = (target != IGNORE).astype(logits.dtype), (target == 1).astype(logits.dtype)
    if measure.class_weights is not None:
        factor = factor * nd.take(class_weights(logits, measure.class_weights), truth, mode="clip")
    # -log sigmoid(z) and -log sigmoid(-z) in one, without overflow; |z| has the gradient 0 at 0, where both are equal.
    loss = nd.relu(logits) - logits * truth + nd.log1p(nd.exp(-nd.abs(logits)))
    return (loss * factor).sum() / measure.divisor

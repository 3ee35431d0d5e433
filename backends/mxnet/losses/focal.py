"""The focal loss (core/losses/focal.py)."""

from __future__ import annotations

from mxnet import nd
from mxnet.ndarray import NDArray

from backends.mxnet.losses.cross_entropy import negative_log, pixel_weights
from core.losses import Focal, Measure


def focal(logits: NDArray, target: NDArray, term: Focal, measure: Measure) -> NDArray:
    loss = away = negative_log(logits, target)
    if term.gamma > 0:
        away = -nd.expm1(-loss)
        loss = loss * away**term.gamma
    return (loss * pixel_weights(logits, target, measure.class_weights)).sum() / measure.divisor

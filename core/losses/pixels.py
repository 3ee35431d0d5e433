"""What all terms share in numpy: checked logits and labels, log-softmax, one-hot labels, weights of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError, DataError

IGNORE = 255

Array = NDArray[np.float64]
Labels = NDArray[np.integer]


@dataclass(frozen=True)
class Pixels:
    """Of logits [N, C, H, W] and labels [N, H, W]: `labels` is 0 where ignored; `onehot` and `weights` are 0 there."""

    logits: Array  # [N, C, H, W]
    labels: Labels  # [N, H, W]
    valid: NDArray[np.bool_]  # [N, H, W]
    onehot: Array  # [N, C, H, W]
    weights: Array  # [N, H, W], the class weight of each labelled pixel

    def log_softmax(self) -> Array:
        shifted = self.logits - self.logits.max(axis=1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))

    def of_true_class(self, values: Array) -> Array:
        """[N, H, W]: of [N, C, H, W] the value of each pixel's class, 0 where ignored."""
        return np.asarray((values * self.onehot).sum(axis=1))


def prepare(logits: Array, labels: Labels, class_weights: Sequence[float] | None = None) -> Pixels:
    """Raises DataError where shapes or labels do not fit, ConfigError for a wrong number of class weights."""
    logits = np.asarray(logits, np.float64)
    if logits.ndim != 4 or labels.shape != (logits.shape[0], *logits.shape[2:]):
        raise DataError(
            f"logits {list(logits.shape)} and labels {list(labels.shape)} do not fit: [N, C, H, W], [N, H, W]"
        )
    num_classes = logits.shape[1]
    labels = labels.astype(np.int64)
    valid = labels != IGNORE
    wrong = np.unique(labels[valid & ((labels < 0) | (labels >= num_classes))])
    if wrong.size:
        raise DataError(f"labels hold {wrong.tolist()}, outside 0..{num_classes - 1} and not {IGNORE} (ignored)")
    if class_weights is not None and len(class_weights) != num_classes:
        raise ConfigError(f"{len(class_weights)} class weights were given for {num_classes} classes")
    per_class = np.ones(num_classes) if class_weights is None else np.asarray(class_weights, np.float64)
    labels = np.where(valid, labels, 0)
    onehot = (labels[:, None] == np.arange(num_classes)[:, None, None]) & valid[:, None]
    return Pixels(logits, labels, valid, onehot.astype(np.float64), np.where(valid, per_class[labels], 0.0))


def through_softmax(probability: Array, gradient: Array) -> Array:
    """The gradient at the logits [N, C, H, W] of one at their softmax."""
    return probability * (gradient - (gradient * probability).sum(axis=1, keepdims=True))

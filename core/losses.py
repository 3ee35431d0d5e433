"""The loss contract in numpy float64: the definitions that the three backends are tested against.

Every function returns the value and its gradient at the logits. Logits are [N, C, H, W], labels integer [N, H, W].
Where every pixel is ignored the value is 0 and so is the gradient, never nan. Written for clarity: a training step uses
the backend's own losses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError, DataError
from core.ranges import Checked, Range, When

Array = NDArray[np.float64]
Labels = NDArray[np.integer]
Denominator = Literal["valid", "all"]
Loss = Callable[[Array, Labels], tuple[float, Array]]


@dataclass(frozen=True)
class LossConfig(Checked):
    """What is minimised: the main head's loss plus `auxiliary_weight` times the cross-entropy of each auxiliary head.

    kind: `cross_entropy`, or `ohem` for the main head (threshold, min_kept). denominator: see `cross_entropy`.
    """

    kind: Literal["cross_entropy", "ohem"] = "cross_entropy"
    auxiliary_weight: Annotated[float, Range(0)] = 0.4
    class_weights: tuple[Annotated[float, Range(0)], ...] | None = None
    denominator: Denominator = "valid"
    threshold: Annotated[float, Range(0, 1), When("kind", "ohem")] = 0.7
    min_kept: Annotated[int, Range(0), When("kind", "ohem")] = 100_000

    def __post_init__(self) -> None:
        if self.class_weights is not None and not any(self.class_weights):
            raise ConfigError("class_weights: at least one must be above 0")

    def divisor(self, labels: Labels, ignore_index: int = 255) -> float:
        """What the sum of the weighted pixel losses over all of `labels` is divided by; 1 where it would be 0."""
        if self.denominator == "all":
            return float(labels.size)
        if self.class_weights is None:
            return max(float(np.count_nonzero(labels != ignore_index)), 1.0)
        total = float(np.take(np.asarray(self.class_weights), labels[labels != ignore_index]).sum())
        return total if total > 0 else 1.0


def cross_entropy(
    logits: Array,
    labels: Labels,
    *,
    ignore_index: int = 255,
    class_weights: Sequence[float] | None = None,
    denominator: Denominator = "valid",
) -> tuple[float, Array]:
    """Softmax cross-entropy, averaged over pixels: sum(w_y * l) / D.

    denominator: "valid" divides by the sum of the labelled pixels' class weights, as PyTorch does (their number without
        weights); "all" by the number of all pixels, ignored ones included (DABNet, SemSegPaddle).
    """
    if denominator not in ("valid", "all"):
        raise ConfigError(f"the loss's denominator must be 'valid' or 'all', got {denominator!r}")
    log_p, onehot, weights = _prepare(logits, labels, ignore_index, class_weights)
    total = float(weights.sum()) if denominator == "valid" else float(labels.size)
    return _weighted_mean(log_p, onehot, weights, total)


def ohem_cross_entropy(
    logits: Array,
    labels: Labels,
    *,
    threshold: float = 0.7,
    min_kept: int = 100_000,
    ignore_index: int = 255,
    class_weights: Sequence[float] | None = None,
) -> tuple[float, Array]:
    """Cross-entropy over the hard pixels alone (online hard example mining, arXiv 1604.03540, per pixel).

    Kept are the labelled pixels of the whole batch whose probability of the true class is at or below
    max(threshold, the min_kept-th smallest such probability): all of them where there are at most min_kept. The value
    is their (weighted) mean; which pixels are kept is a constant in the gradient.
    """
    if min_kept < 0 or not 0 <= threshold <= 1:
        raise ConfigError(f"OHEM needs threshold in [0, 1] and min_kept >= 0, got {threshold} and {min_kept}")
    log_p, onehot, weights = _prepare(logits, labels, ignore_index, class_weights)
    valid = onehot.any(axis=1)  # [N, H, W]
    probability = np.exp((log_p * onehot).sum(axis=1))  # [N, H, W], of the true class
    limit = threshold
    if min_kept > 0 and valid.any():
        ordered = np.sort(probability[valid])
        limit = max(threshold, float(ordered[min(min_kept, ordered.size) - 1]))
    weights = weights * (valid & (probability <= limit))
    return _weighted_mean(log_p, onehot, weights, float(weights.sum()))


def interpolation_matrix(source: int, target: int, align_corners: bool) -> Array:
    """[target, source]: bilinear interpolation along one side, as PyTorch's `interpolate` samples it.

    align_corners: sample i lies at i * (source - 1) / (target - 1) (at 0 where target is 1); else at
    (i + 0.5) * source / target - 0.5, not below 0.
    """
    i = np.arange(target, dtype=np.float64)
    if align_corners:
        position = i * ((source - 1) / (target - 1)) if target > 1 else np.zeros(1)
    else:
        position = np.maximum((i + 0.5) * (source / target) - 0.5, 0.0)
    low = np.minimum(position.astype(np.int64), source - 1)
    high = np.minimum(low + 1, source - 1)
    fraction = position - low
    matrix = np.zeros((target, source))
    np.add.at(matrix, (np.arange(target), low), 1.0 - fraction)
    np.add.at(matrix, (np.arange(target), high), fraction)
    return matrix


def total_loss(
    outputs: Sequence[Array],
    labels: Labels,
    losses: Sequence[Loss],
    weights: Sequence[float],
    align_corners: bool,
) -> tuple[float, list[Array]]:
    """sum_k weights[k] * losses[k](logits k resized to the labels' size): main head and auxiliary heads.

    outputs: logits [N, C, h_k, w_k] at the heads' own resolutions. The gradients are at these.
    """
    if not len(outputs) == len(losses) == len(weights):
        raise ConfigError(f"{len(outputs)} outputs, {len(losses)} losses and {len(weights)} loss weights do not match")
    value, gradients = 0.0, []
    for logits, loss, weight in zip(outputs, losses, weights):
        rows = interpolation_matrix(logits.shape[2], labels.shape[1], align_corners)  # [H, h]
        columns = interpolation_matrix(logits.shape[3], labels.shape[2], align_corners)  # [W, w]
        part, gradient = loss(rows @ logits @ columns.T, labels)
        value += weight * part
        gradients.append(weight * (rows.T @ gradient @ columns))
    return value, gradients


def _prepare(
    logits: Array, labels: Labels, ignore_index: int, class_weights: Sequence[float] | None
) -> tuple[Array, Array, Array]:
    """log-softmax and one-hot labels [N, C, H, W], pixel weights [N, H, W]; the last two are 0 where ignored."""
    logits = np.asarray(logits, np.float64)
    if logits.ndim != 4 or labels.shape != (logits.shape[0], *logits.shape[2:]):
        raise DataError(
            f"logits {list(logits.shape)} and labels {list(labels.shape)} do not fit: [N, C, H, W], [N, H, W]"
        )
    num_classes = logits.shape[1]
    labels = labels.astype(np.int64)
    valid = labels != ignore_index
    wrong = np.unique(labels[valid & ((labels < 0) | (labels >= num_classes))])
    if wrong.size:
        raise DataError(f"labels hold {wrong.tolist()}, outside 0..{num_classes - 1} and not {ignore_index} (ignored)")
    if class_weights is not None and len(class_weights) != num_classes:
        raise ConfigError(f"{len(class_weights)} class weights were given for {num_classes} classes")
    per_class = np.ones(num_classes) if class_weights is None else np.asarray(class_weights, np.float64)
    weights = np.where(valid, per_class[np.where(valid, labels, 0)], 0.0)
    onehot = (labels[:, None] == np.arange(num_classes)[:, None, None]) & valid[:, None]
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_p, onehot.astype(np.float64), weights


def _weighted_mean(log_p: Array, onehot: Array, weights: Array, total: float) -> tuple[float, Array]:
    if total == 0:
        return 0.0, np.zeros_like(log_p)
    value = -float((weights * (log_p * onehot).sum(axis=1)).sum()) / total
    return value, weights[:, None] * (np.exp(log_p) - onehot) / total

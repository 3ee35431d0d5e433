"""The training loss, defined in core/losses.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mxnet import autograd, nd
from mxnet.ndarray import NDArray

from backends.mxnet.layers import resize
from core.data import IGNORE
from core.losses import LossConfig


def _pixel_weights(logits: NDArray, labels: NDArray, class_weights: Sequence[float] | None) -> NDArray:
    """Each pixel's weight [N, H, W], 0 where it is ignored."""
    weights = (labels != IGNORE).astype(logits.dtype)
    if class_weights is not None:
        table = nd.array(class_weights, ctx=logits.context, dtype=logits.dtype)
        weights = weights * nd.take(table, labels, mode="clip")
    return weights


def _negative_log(logits: NDArray, labels: NDArray) -> NDArray:
    """-log of the true class's probability [N, H, W]; of the last class where the pixel is ignored (`clip`)."""
    return -nd.pick(nd.log_softmax(logits, axis=1), labels, axis=1, mode="clip")


def cross_entropy(
    logits: NDArray, labels: NDArray, divisor: float, class_weights: Sequence[float] | None = None
) -> NDArray:
    """Sum of the (weighted) cross-entropy of [N, C, H, W] at the labelled pixels of [N, H, W], over `divisor`."""
    return (_negative_log(logits, labels) * _pixel_weights(logits, labels, class_weights)).sum() / divisor


def ohem_cross_entropy(
    logits: NDArray, labels: NDArray, threshold: float, min_kept: int, class_weights: Sequence[float] | None = None
) -> NDArray:
    """Mean over the hard pixels: true-class probability at most max(threshold, the min_kept-th smallest)."""
    with autograd.pause():
        weights = _pixel_weights(logits, labels, class_weights)
        probability = nd.exp(-_negative_log(logits, labels)).asnumpy()
        valid = labels.asnumpy() != IGNORE
        limit, labelled = threshold, probability[valid]
        if min_kept > 0 and labelled.size:
            rank = min(min_kept, labelled.size) - 1
            limit = max(threshold, float(np.partition(labelled, rank)[rank]))
        hard = nd.array(valid & (probability <= limit), ctx=logits.context, dtype=logits.dtype)
        weights = weights * hard
        divisor = float(weights.sum().asscalar()) or 1.0
    return (_negative_log(logits, labels) * weights).sum() / divisor


def segmentation_loss(
    outputs: Sequence[NDArray],
    labels: NDArray,
    config: LossConfig,
    *,
    align_corners: bool,
    divisor: float,
    share: float = 1.0,
) -> tuple[NDArray, list[NDArray]]:
    """The weighted sum over heads, and each head's unweighted loss.

    outputs: logits [N, C, h_k, w_k], main head first, resized here to labels [N, H, W]. `divisor`: of the whole batch
    (core.losses.LossConfig.divisor); `share`: this part's share of the batch, for OHEM's mean, when accumulating.
    """
    parts = []
    like = nd.expand_dims(labels, axis=1).astype(outputs[0].dtype)  # [N, 1, H, W]
    for i, logits in enumerate(outputs):
        if logits.shape[2:] != labels.shape[1:]:
            logits = resize(nd, logits, like, align_corners)
        if i == 0 and config.kind == "ohem":
            loss = ohem_cross_entropy(logits, labels, config.threshold, config.min_kept, config.class_weights) * share
        else:
            loss = cross_entropy(logits, labels, divisor, config.class_weights)
        parts.append(loss)
    total = parts[0]
    for part in parts[1:]:
        total = total + config.auxiliary_weight * part
    return total, parts

"""The training loss, defined in core/losses.py."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import Tensor

from backends.paddle.layers import resize
from core.data import IGNORE
from core.losses import LossConfig


def cross_entropy(
    logits: Tensor, labels: Tensor, divisor: float, class_weights: Sequence[float] | None = None
) -> Tensor:
    """Sum of the (weighted) cross-entropy of [N, C, H, W] at the labelled pixels of [N, H, W], over `divisor`."""
    weight = None if class_weights is None else paddle.to_tensor(class_weights, dtype=logits.dtype)
    return F.cross_entropy(logits, labels, weight, ignore_index=IGNORE, reduction="sum", axis=1) / divisor


def ohem_cross_entropy(
    logits: Tensor, labels: Tensor, threshold: float, min_kept: int, class_weights: Sequence[float] | None = None
) -> Tensor:
    """Mean over the hard pixels: true-class probability at most max(threshold, the min_kept-th smallest)."""
    with paddle.no_grad():
        valid = labels != IGNORE
        ignored = paddle.full_like(labels, IGNORE)
        true_class = paddle.where(valid, labels, paddle.zeros_like(labels)).unsqueeze(1)
        probability = paddle.take_along_axis(F.softmax(logits, axis=1), true_class, axis=1).squeeze(1)
        limit = threshold
        if min_kept > 0 and bool(valid.any()):
            labelled = probability[valid]
            limit = max(threshold, float(paddle.kthvalue(labelled, min(min_kept, labelled.size))[0]))
        hard = valid & (probability <= limit)
        kept = paddle.where(hard, labels, ignored)
        divisor = float(hard.sum())
        if class_weights is not None:
            weight = paddle.to_tensor(class_weights, dtype=logits.dtype)
            divisor = float(weight[labels[hard]].sum()) if divisor else 0.0
    return cross_entropy(logits, kept, divisor or 1.0, class_weights)


def segmentation_loss(
    outputs: Sequence[Tensor],
    labels: Tensor,
    config: LossConfig,
    *,
    align_corners: bool,
    divisor: float,
    share: float = 1.0,
) -> tuple[Tensor, list[Tensor]]:
    """The weighted sum over heads, and each head's unweighted loss.

    outputs: logits [N, C, h_k, w_k], main head first, resized here to labels [N, H, W]. `divisor`: of the whole batch
    (core.losses.LossConfig.divisor); `share`: this part's share of the batch, for OHEM's mean, when accumulating.
    """
    parts = []
    for i, logits in enumerate(outputs):
        if logits.dtype in (paddle.float16, paddle.bfloat16):
            logits = logits.astype("float32")
        if logits.shape[2:] != labels.shape[1:]:
            logits = resize(logits, labels.shape[1:], align_corners)
        if i == 0 and config.kind == "ohem":
            loss = ohem_cross_entropy(logits, labels, config.threshold, config.min_kept, config.class_weights) * share
        else:
            loss = cross_entropy(logits, labels, divisor, config.class_weights)
        parts.append(loss)
    return parts[0] + config.auxiliary_weight * sum(parts[1:]), parts

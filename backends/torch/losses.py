"""The training loss, defined in core/losses.py."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from backends.torch.layers import resize
from core.data import IGNORE
from core.losses import LossConfig


def cross_entropy(
    logits: Tensor, labels: Tensor, divisor: float, class_weights: Sequence[float] | None = None
) -> Tensor:
    """Sum of the (weighted) cross-entropy of [N, C, H, W] at the labelled pixels of [N, H, W], over `divisor`."""
    weight = None if class_weights is None else logits.new_tensor(class_weights)
    return F.cross_entropy(logits, labels, weight, ignore_index=IGNORE, reduction="sum") / divisor


def ohem_cross_entropy(
    logits: Tensor, labels: Tensor, threshold: float, min_kept: int, class_weights: Sequence[float] | None = None
) -> Tensor:
    """Mean over the hard pixels: true-class probability at most max(threshold, the min_kept-th smallest)."""
    with torch.no_grad():
        valid = labels != IGNORE
        true_class = torch.where(valid, labels, 0).unsqueeze(1)
        probability = logits.softmax(dim=1).gather(1, true_class).squeeze(1)[valid]
        limit = threshold
        if min_kept > 0 and probability.numel() > 0:
            rank = min(min_kept, probability.numel())
            limit = max(threshold, float(probability.kthvalue(rank).values))
        kept = torch.full_like(labels, IGNORE)
        kept[valid] = torch.where(probability <= limit, labels[valid], IGNORE)
        hard = kept != IGNORE
        weight = None if class_weights is None else logits.new_tensor(class_weights)
        divisor = hard.sum() if weight is None else weight[kept[hard]].sum()
    return cross_entropy(logits, kept, float(divisor) or 1.0, class_weights)


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
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        if logits.shape[2:] != labels.shape[1:]:
            logits = resize(logits, labels.shape[1:], align_corners)
        if i == 0 and config.kind == "ohem":
            loss = ohem_cross_entropy(logits, labels, config.threshold, config.min_kept, config.class_weights) * share
        else:
            loss = cross_entropy(logits, labels, divisor, config.class_weights)
        parts.append(loss)
    return parts[0] + config.auxiliary_weight * sum(parts[1:]), parts

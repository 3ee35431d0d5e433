"""The focal loss (core/losses/focal.py)."""

from __future__ import annotations

import torch
from torch import Tensor

from backends.torch.losses.cross_entropy import class_weights
from core.data import IGNORE
from core.losses import Focal, Measure


def focal(logits: Tensor, target: Tensor, term: Focal, measure: Measure) -> Tensor:
    valid = target != IGNORE
    true_class = torch.where(valid, target, 0)
    log_true = logits.log_softmax(dim=1).gather(1, true_class.unsqueeze(1)).squeeze(1)  # [N, H, W]
    loss = -log_true
    if term.gamma > 0:
        loss = loss * (-torch.expm1(log_true)) ** term.gamma
    weight = class_weights(logits, measure.class_weights)
    factor = valid.to(logits.dtype) if weight is None else weight[true_class] * valid
    return (loss * factor).sum() / measure.divisor

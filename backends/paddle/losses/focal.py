"""The focal loss (core/losses/focal.py)."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor

from backends.paddle.losses.cross_entropy import class_weights
from core.data import IGNORE
from core.losses import Focal, Measure


def focal(logits: Tensor, target: Tensor, term: Focal, measure: Measure) -> Tensor:
    valid = target != IGNORE
    true_class = paddle.where(valid, target, paddle.zeros_like(target)).unsqueeze(-1)
    log_true = paddle.take_along_axis(F.log_softmax(logits), true_class, axis=-1)  # [N, H, W, 1]
    loss = -log_true
    if term.gamma > 0:
        loss = loss * (-paddle.expm1(log_true)) ** term.gamma
    factor = valid.astype(logits.dtype).unsqueeze(-1)
    weight = class_weights(logits, measure.class_weights)
    if weight is not None:
        factor = factor * weight[true_class]
    return (loss * factor).sum() / measure.divisor

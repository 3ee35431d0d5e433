"""Supervision of where classes meet (core/losses/boundary.py)."""

from __future__ import annotations

import paddle.nn.functional as F
from paddle import Tensor

from backends.paddle.losses.cross_entropy import class_weights
from core.data import IGNORE
from core.losses import BoundaryCrossEntropy, Measure


def boundary(logits: Tensor, target: Tensor, term: BoundaryCrossEntropy, measure: Measure) -> Tensor:
    factor = (target != IGNORE).astype(logits.dtype)
    truth = (target == 1).astype(logits.dtype)
    weight = class_weights(logits, measure.class_weights)
    if weight is not None:
        factor = factor * weight[truth.astype("int64")]
    total = F.binary_cross_entropy_with_logits(logits.squeeze(-1), truth, factor, reduction="sum")
    return total / measure.divisor

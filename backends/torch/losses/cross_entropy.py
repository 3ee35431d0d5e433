"""Cross-entropy (core/losses/cross_entropy.py)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from core.data import IGNORE
from core.losses import CrossEntropy, Measure, MixedSoftmax, NegativeLogLikelihood


def class_weights(logits: Tensor, weights: Sequence[float] | None) -> Tensor | None:
    """[C], of the logits' type and on their device."""
    return None if weights is None else logits.new_tensor(weights)


def cross_entropy(logits: Tensor, target: Tensor, term: CrossEntropy, measure: Measure) -> Tensor:
    weight = class_weights(logits, measure.class_weights)
    total = F.cross_entropy(
        logits, target, weight, ignore_index=IGNORE, reduction="sum", label_smoothing=term.smoothing
    )
    return total / measure.divisor


def nll(logits: Tensor, target: Tensor, term: NegativeLogLikelihood, measure: Measure) -> Tensor:
    weight = class_weights(logits, measure.class_weights)
    return F.nll_loss(logits, target, weight, ignore_index=IGNORE, reduction="sum") / measure.divisor


def mixed_softmax(logits: Tensor, target: Tensor, term: MixedSoftmax, measure: Measure) -> Tensor:
    total = F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="sum")
    learned = total / measure.divisor
    return learned + (total / measure.reported - learned).detach()

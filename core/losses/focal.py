"""The focal loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from core.errors import ConfigError
from core.losses.pixels import Array, Labels, prepare
from core.losses.term import Census, Denominator, Measure, Seen, WeightedTerm, divisor
from core.ranges import Range


@dataclass(frozen=True)
class Focal(WeightedTerm):
    """Focal loss over the softmax (arXiv:1708.02002): w_y * (1 - p_y)^gamma * -log p_y, over the denominator.

    gamma: 0, or 1 and more: between them the gradient has no limit at p_y = 1.
    """

    kind: ClassVar[str] = "focal"
    seen: ClassVar[Seen] = "pixels"

    gamma: Annotated[float, Range(0)] = 2.0
    denominator: Denominator = "valid"

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.gamma < 1:
            raise ConfigError(f"gamma: {self.gamma} is out of range: 0, or at least 1")

    def measure_of(self, census: Census, share: float) -> Measure:
        size = divisor(census, self.denominator, self.weights)
        return Measure(size, size, share, self.weights)

    def value(self, logits: Array, target: Labels, measure: Measure) -> tuple[float, Array]:
        pixels = prepare(logits, target, measure.class_weights)
        log_p = pixels.log_softmax()
        log_true = pixels.of_true_class(log_p)
        true = np.exp(log_true)
        away = -np.expm1(log_true)  # 1 - p_y
        total = -float((pixels.weights * away**self.gamma * log_true).sum())
        # d/dlog p_y of -(1 - p_y)^gamma * log p_y
        slope = -(away**self.gamma)
        if self.gamma > 0:
            slope = slope + self.gamma * true * away ** (self.gamma - 1) * log_true
        gradient = (pixels.weights * slope)[:, None] * (pixels.onehot - np.exp(log_p))
        return total / measure.divisor, gradient / measure.divisor

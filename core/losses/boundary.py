"""Supervision of where classes meet: one logit a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from core.data.boundaries import boundaries
from core.errors import DataError
from core.losses.pixels import IGNORE, Array, Labels, prepare
from core.losses.term import Census, Measure, Seen, Term, divisor
from core.ranges import Range


@dataclass(frozen=True)
class BoundaryCrossEntropy(Term):
    """Binary cross-entropy of one logit against the boundaries of the classes, the mean over labelled pixels.

    radius: of the boundary, pixels of the picture or, `at` logits, of their map (core.data.boundaries). balance:
    `none`, or `frequency`: a boundary pixel weighs the share of the others, and they its share (HED, arXiv:1504.06375).
    """

    kind: ClassVar[str] = "boundary"
    seen: ClassVar[Seen] = "pixels"
    reads: ClassVar[tuple[str, ...]] = ("boundary",)

    radius: Annotated[int, Range(1)] = 1
    balance: Literal["none", "frequency"] = "none"

    def target(self, labels: Labels) -> Labels:
        return boundaries(labels, self.radius)

    def measure_of(self, census: Census, share: float) -> Measure:
        size = divisor(census, "labelled", None)
        weights = None
        if self.balance == "frequency":
            none, boundary = (float(count) / size for count in census.pixels[:2])
            weights = (boundary, none)
        return Measure(size, size, share, weights)

    def value(self, logits: Array, target: Labels, measure: Measure) -> tuple[float, Array]:
        if logits.ndim != 4 or logits.shape[1] != 1:
            raise DataError(f"a boundary has one logit a pixel, [N, 1, H, W]; got {list(logits.shape)}")
        # Two classes with logits 0 and z have the softmax 1 - sigmoid(z), sigmoid(z).
        pixels = prepare(np.concatenate([np.zeros_like(logits), logits], axis=1), target, measure.class_weights)
        log_p = pixels.log_softmax()
        slope = pixels.weights * (np.exp(log_p[:, 1]) - (target == 1)) * (target != IGNORE)
        value = -float((pixels.weights * pixels.of_true_class(log_p)).sum())
        return value / measure.divisor, slope[:, None] / measure.divisor

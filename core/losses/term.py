"""A term: what one output costs. Each kind is a dataclass with its settings, its numpy definition and its divisor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from core.losses.class_weights import ClassWeights
from core.losses.pixels import IGNORE, Array, Labels
from core.ranges import Checked, Range
from core.schema import Tagged

At = Literal["labels", "logits"]
Denominator = Literal["valid", "labelled", "all"]
Seen = Literal["pixels", "mined", "whole"]


@dataclass(frozen=True)
class Mined:
    """Which pixels are kept: of an ease below `limit`, at it too unless `strict`; `total` divides their sum."""

    limit: float
    strict: bool
    total: float


@dataclass(frozen=True)
class Census:
    """What stands in the whole batch's target: pixels of each value, int64 [256] (255: ignored), and pictures."""

    pixels: NDArray[np.int64]
    pictures: int

    @classmethod
    def of(cls, targets: Sequence[Labels]) -> Census:
        """Of the parts' targets, each [N, H, W]."""
        counts = [np.bincount(np.clip(target, 0, IGNORE).ravel(), minlength=IGNORE + 1) for target in targets]
        return cls(np.sum(counts, axis=0).astype(np.int64), sum(len(target) for target in targets))

    @property
    def size(self) -> int:
        """All pixels."""
        return int(self.pixels.sum())


@dataclass(frozen=True)
class Measure:
    """What a term needs to know of the whole batch when it sees a part of it.

    divisor: what the sum over the part's pixels is divided by; `reported`: the same for the value that is reported,
    where that is another (MixedSoftmax). share: the part's share of the batch, by which terms that are no sums over
    pixels are multiplied. class_weights: one per class; of a boundary, of (none, boundary). mined: which pixels of a
    `mined` term are kept, where that is known of the whole batch.
    """

    divisor: float = 1.0
    reported: float = 1.0
    share: float = 1.0
    class_weights: tuple[float, ...] | None = None
    mined: Mined | None = None


@dataclass(frozen=True)
class Term(Tagged, Checked):
    """What one output costs. Subclasses are the kinds, `kind` in YAML.

    output: the name of one of the network's outputs (`Spec.outputs`). weight: its factor in the sum. at: the logits are
    resized to the labels (bilinear, by the spec's `align_corners`), or the labels to the logits (the nearest one).

    seen: how much of a part a backend must see at once. `pixels`: a sum over pixels, which any share of the rows can
    be given to `value` for, by the measure of the whole. `mined`: the cross-entropy of pixels that are chosen by the
    losses of all. `whole`: all logits.
    """

    TAG: ClassVar[str] = "kind"
    kind: ClassVar[str]
    reads: ClassVar[tuple[str, ...]] = ("classes", "log_probabilities")  # the kinds of outputs it can take
    seen: ClassVar[Seen] = "whole"

    output: str = "main"
    weight: Annotated[float, Range(0)] = 1.0
    at: At = "labels"

    @property
    def gradient_weight(self) -> float:
        """The factor of the term's gradient."""
        return self.weight

    def target(self, labels: Labels) -> Labels:
        """What the output is held against, [N, H, W], made of labels of that size."""
        return labels

    def measure(self, target: Labels) -> Measure:
        """Of the whole batch's target, [N, H, W], which is seen at once."""
        return self.measure_of(Census.of([target]), 1.0)

    def measure_of(self, census: Census, share: float) -> Measure:
        """Of what the whole batch's target holds, for a part that is `share` of the pictures."""
        return Measure(share=share)

    def value(self, logits: Array, target: Labels, measure: Measure) -> tuple[float, Array]:
        """The part's value and its gradient at its logits [N, C, H, W]: the definition, in float64."""
        raise NotImplementedError

    def __call__(self, logits: Array, target: Labels) -> tuple[float, Array]:
        """Value and gradient of a whole batch."""
        return self.value(logits, target, self.measure(target))


@dataclass(frozen=True)
class WeightedTerm(Term):
    """A term over labelled pixels, each with the weight of its class.

    class_weights: one per class, 1 by default, or the rule by which they are made of the training set's labels
    (core.losses.class_weights).
    """

    class_weights: ClassWeights | None = None

    def __post_init__(self) -> None:
        check_class_weights(self.class_weights)

    @property
    def weights(self) -> tuple[float, ...] | None:
        """The class weights. Raises ConfigError where they are still to be made of a training set."""
        if isinstance(self.class_weights, str):
            raise ConfigError(f"class_weights: {self.class_weights} needs the labels of a training set")
        return self.class_weights

    def measure_of(self, census: Census, share: float) -> Measure:
        return Measure(share=share, class_weights=self.weights)


def check_class_weights(weights: ClassWeights | None) -> None:
    """Raises ConfigError unless one is not 0."""
    if isinstance(weights, tuple) and not any(weights):
        raise ConfigError("class_weights: at least one must be above 0")


def divisor(census: Census, denominator: Denominator, class_weights: Sequence[float] | None) -> float:
    """What a sum over pixels is divided by; 1 where that would be 0.

    valid: the sum of the labelled pixels' class weights, as PyTorch does (their number without weights). labelled:
    their number. all: the number of all pixels, ignored ones included (DABNet, SemSegPaddle, MXNetSeg).
    """
    if denominator == "all":
        return float(census.size)
    labelled = census.pixels[:IGNORE]
    if denominator == "labelled" or class_weights is None:
        return max(float(labelled.sum()), 1.0)
    total = float((np.asarray(class_weights, np.float64) * labelled[: len(class_weights)]).sum())
    return total if total > 0 else 1.0

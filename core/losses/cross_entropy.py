"""Cross-entropy, of logits and of log-probabilities, and GluonCV's version of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from core.losses.pixels import Array, Labels, prepare
from core.losses.term import Census, Denominator, Measure, Seen, Term, WeightedTerm, divisor
from core.ranges import Range


@dataclass(frozen=True)
class CrossEntropy(WeightedTerm):
    """Softmax cross-entropy: sum over labelled pixels of w_y * -log p_y, over the denominator (core.losses.term).

    smoothing: the share e of the label spread over all C classes, as PyTorch does with weights (arXiv:1512.00567):
    (1 - e) * w_y * -log p_y + e / C * sum_c w_c * -log p_c.
    """

    kind: ClassVar[str] = "cross_entropy"
    seen: ClassVar[Seen] = "pixels"

    denominator: Denominator = "valid"
    smoothing: Annotated[float, Range(0, 1)] = 0.0

    def measure_of(self, census: Census, share: float) -> Measure:
        size = divisor(census, self.denominator, self.weights)
        return Measure(size, size, share, self.weights)

    def value(self, logits: Array, target: Labels, measure: Measure) -> tuple[float, Array]:
        pixels = prepare(logits, target, measure.class_weights)
        log_p, classes = pixels.log_softmax(), pixels.logits.shape[1]
        weights = np.ones(classes) if measure.class_weights is None else np.asarray(measure.class_weights)
        hard, soft = 1 - self.smoothing, self.smoothing / classes
        # [N, C, H, W]: how much of each class a pixel asks for.
        wanted = hard * pixels.weights[:, None] * pixels.onehot
        wanted = wanted + soft * weights[:, None, None] * pixels.valid[:, None]
        total = -float((wanted * log_p).sum())
        gradient = wanted.sum(axis=1, keepdims=True) * np.exp(log_p) - wanted
        return total / measure.divisor, gradient / measure.divisor


@dataclass(frozen=True)
class NegativeLogLikelihood(WeightedTerm):
    """The output holds log-probabilities (Fast_Seg's BiSeNet): sum of w_y * -x_y, over the denominator.

    No softmax is taken again: where the output was resized its classes no longer sum to 1, and stay so.
    """

    kind: ClassVar[str] = "nll"
    seen: ClassVar[Seen] = "pixels"
    reads: ClassVar[tuple[str, ...]] = ("log_probabilities",)

    denominator: Denominator = "valid"

    def measure_of(self, census: Census, share: float) -> Measure:
        size = divisor(census, self.denominator, self.weights)
        return Measure(size, size, share, self.weights)

    def value(self, logits: Array, target: Labels, measure: Measure) -> tuple[float, Array]:
        pixels = prepare(logits, target, measure.class_weights)
        wanted = pixels.weights[:, None] * pixels.onehot
        return -float((wanted * pixels.logits).sum()) / measure.divisor, -wanted / measure.divisor


@dataclass(frozen=True)
class MixedSoftmax(Term):
    """GluonCV's `MixSoftmaxCrossEntropyLoss`, which MXNetSeg trains with: the gradient is not the value's.

    The value is the mean of the cross-entropy over all pixels, ignored ones counting 0. MXNet's `SoftmaxOutput` below
    it overwrites the gradient with (softmax - onehot) / labelled pixels, whatever comes from above: neither that mean
    nor the weight of an auxiliary head reaches the network, they change what is reported alone. The trainer then
    divides by the number of pictures again (divided_by_batch).
    """

    kind: ClassVar[str] = "mixed_softmax"
    seen: ClassVar[Seen] = "pixels"

    divided_by_batch: bool = False

    @property
    def gradient_weight(self) -> float:
        return 1.0

    def measure_of(self, census: Census, share: float) -> Measure:
        labelled = divisor(census, "labelled", None)
        return Measure(labelled * (census.pictures if self.divided_by_batch else 1), float(census.size), share)

    def value(self, logits: Array, target: Labels, measure: Measure) -> tuple[float, Array]:
        pixels = prepare(logits, target)
        log_p = pixels.log_softmax()
        slope = (np.exp(log_p) - pixels.onehot) * pixels.valid[:, None]
        return -float(pixels.of_true_class(log_p).sum()) / measure.reported, slope / measure.divisor

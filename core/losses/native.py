"""The loss of a network's outputs where a backend computes it: the walk over terms, targets and hard pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from core.losses.cross_entropy import CrossEntropy
from core.losses.mining import Candidates
from core.losses.objective import Objective, Size
from core.losses.pixels import Labels
from core.losses.term import Measure, Mined, Term


class NativeTensor(Protocol):
    """What is asked of a framework's tensor."""

    @property
    def shape(self) -> Any: ...

    def __add__(self, other: Any) -> Any: ...

    def __mul__(self, other: Any) -> Any: ...


Tensor = TypeVar("Tensor", bound=NativeTensor)


class NativeCandidates(Candidates, Protocol):
    """Candidates that lie in a framework's tensors."""

    def only(self, mined: Mined, measure: Measure) -> tuple[Any, Measure]:
        """The labels of the pixels kept [N, H, W], and the measure of their cross-entropy."""


@dataclass(frozen=True)
class NativeLoss(Generic[Tensor]):
    """The sum over a network's outputs, of what a framework does with its own tensors.

    terms: by kind: (logits, target int64 [N, H, W], the term, its measure) -> its value, a scalar. mined: by kind: the
    pixels' losses [N, H, W] -> how easy they are. full: an output [N, C, h, w] in float32 at least. target: labels as
    int64, where the logits are. losses_of_pixels, sum_over_blocks: of logits resized to target, never held whole.
    resized: the logits at the target's size.
    """

    terms: Mapping[str, Callable[[Tensor, Tensor, Any, Any], Tensor]]
    mined: Mapping[str, Callable[[Tensor], Tensor]]
    candidates: Callable[[Tensor, Tensor, Sequence[float] | None], NativeCandidates]
    full: Callable[[Tensor], Tensor]
    target: Callable[[Labels, Tensor], Tensor]
    losses_of_pixels: Callable[[Tensor, Tensor, bool], Tensor]
    sum_over_blocks: Callable[[Tensor, Tensor, Callable[[Tensor, Tensor], Tensor], bool], Tensor]
    resized: Callable[[Tensor, Tensor, bool], Tensor]

    def mine(self, outputs: Iterable[Sequence[Tensor]], objective: Objective) -> None:
        """Settles which pixels are hard, of all parts, where it is to be known before one is learnt from."""
        costs = objective.mined_before()
        parts: dict[int, list[Candidates]] = {i: [] for i in costs}
        for part, own in enumerate(outputs):
            for i in costs:
                logits, size = self._seen(own, objective, i)
                target = self.target(objective.target(i, part, size), logits)
                parts[i].append(self._candidates(logits, target, objective, i, size))
        for i, candidates in parts.items():
            objective.mine(i, candidates)

    def __call__(self, outputs: Sequence[Tensor], objective: Objective, part: int = 0) -> tuple[Tensor, list[Tensor]]:
        """The scalar to differentiate, and each term's value.

        outputs: logits [N, C, h_k, w_k] of one part of the batch, in the order of `spec.outputs()`, resized here.
        """
        targets: dict[int, Tensor] = {}  # by the array they are of: terms share labels
        values: list[Tensor] = []
        for i, cost in enumerate(objective.costs):
            logits, size = self._seen(outputs, objective, i)
            labels, measure, term = objective.target(i, part, size), objective.measure(i, size), cost.term
            if id(labels) not in targets:
                targets[id(labels)] = self.target(labels, logits)
            target = targets[id(labels)]
            if term.seen == "mined":
                candidates = self._candidates(logits, target, objective, i, size)
                target, measure = candidates.only(objective.mined(i, candidates, measure), measure)
                term = CrossEntropy()
            values.append(self._value(logits, target, term, measure, objective.align_corners))
        weighted = [value * cost.term.gradient_weight for cost, value in zip(objective.costs, values)]
        total = weighted[0]
        for value in weighted[1:]:
            total = total + value
        return total, values

    def _seen(self, outputs: Sequence[Tensor], objective: Objective, cost: int) -> tuple[Tensor, Size]:
        """The logits that a term is given, and the size at which it sees them."""
        logits = self.full(outputs[objective.costs[cost].output])
        at_labels = objective.costs[cost].term.at == "labels"
        return logits, objective.size if at_labels else (logits.shape[2], logits.shape[3])

    def _candidates(
        self, logits: Tensor, target: Tensor, objective: Objective, cost: int, size: Size
    ) -> NativeCandidates:
        """The pixels of logits [N, C, h, w] resized to target [N, H, W], and how easy they are."""
        losses = self.losses_of_pixels(logits, target, objective.align_corners)
        ease = self.mined[objective.costs[cost].term.kind](losses)
        return self.candidates(ease, target, objective.measure(cost, size).class_weights)

    def _value(self, logits: Tensor, target: Tensor, term: Term, measure: Measure, align_corners: bool) -> Tensor:
        """Of logits [N, C, h, w] resized to target [N, H, W]: whole only where the term needs them so."""

        def cost(logits: Tensor, target: Tensor) -> Tensor:
            return self.terms[term.kind](logits, target, term, measure)

        if term.seen == "pixels":
            return self.sum_over_blocks(logits, target, cost, align_corners)
        if tuple(logits.shape[2:]) != tuple(target.shape[1:]):
            logits = self.resized(logits, target, align_corners)
        return cost(logits, target)

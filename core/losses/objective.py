"""What one batch costs: the terms of a network's outputs bound to the batch's labels, whole or in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.errors import ConfigError
from core.losses.config import Cost
from core.losses.interpolation import interpolation_matrix
from core.losses.mining import Candidates, MinedTerm
from core.losses.pixels import Array, Labels, prepare
from core.losses.term import Census, Measure, Mined
from core.shard import ALONE, Processes

Size = tuple[int, int]


def total(costs: Sequence[Cost], values: Sequence[float]) -> float:
    """The loss of a batch from the values of its terms."""
    return sum((cost.term.weight * value for cost, value in zip(costs, values)), 0.0)


class Objective:
    """Terms, and for each the target of every part and the divisor over the whole batch.

    A batch is seen in parts, by one or more processes. All but the terms that measure regions are divided by what the
    whole batch has, so that the sum over parts and processes is the whole batch's value. A backend asks at the size at
    which a term sees its logits, on every process in the same order.
    """

    def __init__(
        self, costs: Sequence[Cost], parts: Sequence[Labels], align_corners: bool, processes: Processes = ALONE
    ) -> None:
        """`parts`: this process's labels [N, H, W], all of one size. align_corners: how logits are resized."""
        self.costs, self.parts, self.align_corners = tuple(costs), tuple(parts), align_corners
        self.processes = processes
        self._mined: dict[int, Mined] = {}
        self._targets: dict[tuple[int, int, Size], Labels] = {}
        self._measures: dict[tuple[int, Size], Measure] = {}

    @property
    def size(self) -> Size:
        """Height and width of the labels."""
        height, width = self.parts[0].shape[1:]
        return height, width

    def target(self, cost: int, part: int, size: Size) -> Labels:
        """What the part's output is held against, [N, h, w]; the labels themselves where the term takes them so."""
        key = (cost, part, size)
        if key not in self._targets:
            labels = resize_labels(self.parts[part], size, self.align_corners)
            self._targets[key] = self.costs[cost].term.target(labels)
        return self._targets[key]

    def measure(self, cost: int, size: Size) -> Measure:
        """The term's divisors over the whole batch."""
        key = (cost, size)
        if key not in self._measures:
            census = Census.of([self.target(cost, part, size) for part in range(len(self.parts))])
            summed = self.processes.sum(np.append(census.pixels, census.pictures))
            whole = Census(summed[:-1], int(summed[-1]))
            self._measures[key] = self.costs[cost].term.measure_of(whole, len(self.parts[0]) / whole.pictures)
        return self._measures[key]

    def mined_before(self) -> list[int]:
        """The terms whose hard pixels must be known of all parts before the first is learnt from: none of one part."""
        if len(self.parts) == 1:
            return []
        return [i for i, cost in enumerate(self.costs) if getattr(cost.term, "over", "device") == "batch"]

    def mine(self, cost: int, parts: Sequence[Candidates]) -> None:
        """Settles a term's hard pixels over all parts and processes."""
        term = self.costs[cost].term
        assert isinstance(term, MinedTerm)
        self._mined[cost] = term.mine(parts, self.processes)

    def mined(self, cost: int, part: Candidates, measure: Measure) -> Mined:
        """Which of a part's pixels are kept, and what their sum is divided by."""
        term = self.costs[cost].term
        assert isinstance(term, MinedTerm)
        if term.over == "device":
            own = term.mine([part])
            return replace(own, total=own.total / measure.share)
        if cost not in self._mined:
            if len(self.parts) > 1:
                raise ConfigError(f"{term.kind}: the hard pixels of all parts are to be found first")
            self.mine(cost, [part])
        return self._mined[cost]

    def total(self, values: Sequence[float]) -> float:
        """The batch's loss from the values of its terms."""
        return total(self.costs, values)

    def __call__(self, outputs: Sequence[Array], part: int = 0) -> tuple[list[float], list[Array]]:
        """The definition: each term's value, and the gradients of the sum at the outputs [N, C, h_k, w_k] of a part."""
        least = 1 + max(cost.output for cost in self.costs)
        if len(outputs) < least:
            raise ConfigError(f"{len(outputs)} outputs, the loss has terms for {least}")
        values, gradients = [], [np.zeros(np.shape(logits)) for logits in outputs]
        for i, cost in enumerate(self.costs):
            seen, size, rows, columns = self._resized(i, outputs)
            target, measure = self.target(i, part, size), self.measure(i, size)
            if isinstance(cost.term, MinedTerm):
                measure = replace(measure, mined=self.mined(i, self._candidates(i, part, outputs), measure))
            value, slope = cost.term.value(seen, target, measure)
            values.append(value)
            gradients[cost.output] += cost.term.gradient_weight * (rows.T @ slope @ columns)
        return values, gradients

    def look(self, outputs: Sequence[Sequence[Array]]) -> None:
        """The definition: settles the hard pixels that all parts' outputs decide."""
        for i in self.mined_before():
            self.mine(i, [self._candidates(i, part, own) for part, own in enumerate(outputs)])

    def _resized(self, cost: int, outputs: Sequence[Array]) -> tuple[Array, Size, Array, Array]:
        """The logits [N, C, H, W] as the term sees them, their size, and the matrices that resize rows and columns."""
        logits = np.asarray(outputs[self.costs[cost].output], np.float64)
        size = self.size if self.costs[cost].term.at == "labels" else (logits.shape[2], logits.shape[3])
        rows, columns = (interpolation_matrix(*s, self.align_corners) for s in zip(logits.shape[2:], size))
        return rows @ logits @ columns.T, size, rows, columns

    def _candidates(self, cost: int, part: int, outputs: Sequence[Array]) -> Candidates:
        term = self.costs[cost].term
        assert isinstance(term, MinedTerm)
        seen, size, _, _ = self._resized(cost, outputs)
        target, measure = self.target(cost, part, size), self.measure(cost, size)
        pixels = prepare(seen, target, measure.class_weights)
        return term.candidates(pixels, pixels.log_softmax(), target, measure)


def resize_labels(labels: Labels, size: Size, align_corners: bool) -> Labels:
    """[N, H, W] to [N, h, w]: the label nearest to where each logit of such a map lies in the picture.

    align_corners: row i lies at i * (H - 1) / (h - 1), else at (i + 0.5) * H / h - 0.5; halves go up.
    """
    if labels.shape[1:] == tuple(size):
        return labels
    rows, columns = (_nearest(source, target, align_corners) for source, target in zip(labels.shape[1:], size))
    return labels[:, rows[:, None], columns]


def _nearest(source: int, target: int, align_corners: bool) -> np.ndarray:
    i = np.arange(target, dtype=np.int64)
    if align_corners:  # in integers: floor(i * (source - 1) / (target - 1) + 1 / 2)
        return (2 * i * (source - 1) + (target - 1)) // (2 * (target - 1)) if target > 1 else np.zeros(1, np.int64)
    return ((2 * i + 1) * source) // (2 * target)

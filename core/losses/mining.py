"""Cross-entropy over the hard pixels alone. Which are kept is a constant in the gradient.

How easy a pixel is, is its `ease`: of OHEM the probability of its true class, of Bootstrapped its loss with the sign
turned. Kept are the pixels below a limit, which may be the k-th smallest ease there is: `over` the batch, of all parts
and processes, or over what each device sees at a time, as most originals do (the values are then averaged).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from core.losses.pixels import IGNORE, Array, Labels, Pixels, prepare
from core.losses.term import Measure, Mined, Seen, WeightedTerm
from core.ranges import Range
from core.shard import ALONE, Processes, total

Over = Literal["batch", "device"]


class Candidates(Protocol):
    """The labelled pixels of a part, as a backend has them."""

    pictures: int
    pixels: int  # ignored ones too

    def count(self, limit: float | None = None) -> int:
        """Labelled pixels; those whose ease is below the limit."""

    def smallest(self, count: int) -> np.ndarray:
        """The `count` smallest eases in any order (all where there are fewer)."""

    def weight(self, limit: float, strict: bool) -> float:
        """The sum of the kept pixels' class weights."""


class NumpyCandidates:
    """Candidates in numpy: ease and target [N, H, W]."""

    def __init__(self, ease: np.ndarray, target: Labels, class_weights: Sequence[float] | None) -> None:
        self.ease, self.target, self.class_weights = ease, target, class_weights
        self.valid = target != IGNORE
        self.pictures, self.pixels = len(target), target.size

    def count(self, limit: float | None = None) -> int:
        return int(np.count_nonzero(self.valid if limit is None else self.valid & (self.ease < limit)))

    def smallest(self, count: int) -> np.ndarray:
        labelled = self.ease[self.valid]
        return labelled if count >= labelled.size else np.partition(labelled, count - 1)[:count]

    def kept(self, limit: float, strict: bool) -> NDArray[np.bool_]:
        """[N, H, W]."""
        return np.asarray(self.valid & ((self.ease < limit) if strict else (self.ease <= limit)))

    def weight(self, limit: float, strict: bool) -> float:
        labels = self.target[self.kept(limit, strict)]
        return float(labels.size if self.class_weights is None else np.take(self.class_weights, labels).sum())


def kth_smallest(parts: Sequence[Candidates], k: int, processes: Processes) -> float:
    """The k-th smallest ease, from 1, of all parts and processes; of each no more than its k smallest are handed on."""
    own = np.concatenate([part.smallest(k) for part in parts])
    own = own if own.size <= k else np.partition(own, k - 1)[:k]
    found = np.concatenate(processes.gather(own.astype(np.float64)))
    return float(np.partition(found, k - 1)[k - 1])


class MinedTerm(WeightedTerm):
    """The (weighted) cross-entropy of hard pixels, over their weights. `over`: among which they are the hard ones."""

    seen: ClassVar[Seen] = "mined"
    over: Over

    def ease(self, log_true: Array) -> Array:
        """Of the log-probability of the true class."""
        raise NotImplementedError

    def limit(self, parts: Sequence[Candidates], processes: Processes) -> tuple[float, bool]:
        """Below which ease a pixel is kept, and whether one at it is left out."""
        raise NotImplementedError

    def mine(self, parts: Sequence[Candidates], processes: Processes = ALONE) -> Mined:
        """Which pixels are kept of all parts of all processes."""
        limit, strict = self.limit(parts, processes)
        return Mined(limit, strict, total(processes, sum(part.weight(limit, strict) for part in parts)) or 1.0)

    def value(self, logits: Array, target: Labels, measure: Measure) -> tuple[float, Array]:
        pixels = prepare(logits, target, measure.class_weights)
        log_p = pixels.log_softmax()
        candidates = self.candidates(pixels, log_p, target, measure)
        mined = measure.mined
        if mined is None:
            mined = self.mine([candidates])
            mined = Mined(mined.limit, mined.strict, mined.total / measure.share)
        weights = pixels.weights * candidates.kept(mined.limit, mined.strict)
        value = -float((weights * pixels.of_true_class(log_p)).sum()) / mined.total
        return value, weights[:, None] * (np.exp(log_p) - pixels.onehot) / mined.total

    def candidates(self, pixels: Pixels, log_p: Array, target: Labels, measure: Measure) -> NumpyCandidates:
        return NumpyCandidates(self.ease(pixels.of_true_class(log_p)), target, measure.class_weights)


@dataclass(frozen=True)
class OHEM(MinedTerm):
    """Online hard example mining per pixel (arXiv:1604.03540): kept are labelled pixels whose true class is improbable.

    With k = min_kept, p the probability of the true class, p_(i) the i-th smallest of them all, kept are, by `form`:
        gald_net: p <= max(threshold, p_(k)); all where there are at most k
        paddleseg: p < max(threshold, p_(k)); all where there are at most k
        mmseg: p < max(threshold, p_(k+1)), k being min_kept for each picture; where there are at most k, p_(k+1) is the
            largest, which is left out
    min_kept 0 is the threshold alone. The value is the weighted mean over those kept, or (denominator `all`, mmseg) the
    sum over the number of all pixels.
    """

    kind: ClassVar[str] = "ohem"

    threshold: Annotated[float, Range(0, 1)] = 0.7
    min_kept: Annotated[int, Range(0)] = 100_000
    form: Literal["gald_net", "paddleseg", "mmseg"] = "gald_net"
    denominator: Literal["kept", "all"] = "kept"
    over: Over = "batch"

    def rank(self, labelled: int, pictures: int) -> int | None:
        """Which of `labelled` sorted probabilities, from 1, may raise the limit; None where all pixels are kept; 0 if
        the threshold alone counts."""
        if self.min_kept == 0 or labelled == 0:
            return 0
        if self.form == "mmseg":
            return min(self.min_kept * pictures + 1, labelled)
        return None if self.min_kept >= labelled else self.min_kept

    def ease(self, log_true: Array) -> Array:
        return np.exp(log_true)

    def limit(self, parts: Sequence[Candidates], processes: Processes) -> tuple[float, bool]:
        strict = self.form != "gald_net"
        counts = [total(processes, sum(n)) for n in ([p.count() for p in parts], [p.pictures for p in parts])]
        rank = self.rank(int(counts[0]), int(counts[1]))
        if rank is None:
            return 2.0, strict
        return max(self.threshold, kth_smallest(parts, rank, processes)) if rank else self.threshold, strict

    def mine(self, parts: Sequence[Candidates], processes: Processes = ALONE) -> Mined:
        if self.denominator == "kept":
            return super().mine(parts, processes)
        limit, strict = self.limit(parts, processes)
        return Mined(limit, strict, total(processes, sum(part.pixels for part in parts)))


@dataclass(frozen=True)
class Bootstrapped(MinedTerm):
    """Bootstrapped cross-entropy (arXiv:1604.04339, as MXNetSeg has it): the mean over the hardest labelled pixels.

    Kept are those whose loss exceeds `threshold` if they are more than min_kept, else the min_kept with the largest
    loss, those as hard as the last of them included.
    """

    kind: ClassVar[str] = "bootstrapped"

    threshold: Annotated[float, Range(0)] = 0.3
    min_kept: Annotated[int, Range(1)] = 100_000
    over: Over = "batch"

    def ease(self, log_true: Array) -> Array:
        return log_true

    def limit(self, parts: Sequence[Candidates], processes: Processes) -> tuple[float, bool]:
        labelled = int(total(processes, sum(part.count() for part in parts)))
        hard = total(processes, sum(part.count(-self.threshold) for part in parts))
        if labelled == 0 or hard > self.min_kept:
            return -self.threshold, True
        return kth_smallest(parts, min(self.min_kept, labelled), processes), False

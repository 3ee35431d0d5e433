"""Cross-entropy over the hard pixels alone. Which are kept is a constant in the gradient.

The hard pixels are those of the whole batch. Where a batch is seen in parts (train.accumulation), each part has its
own, as on as many devices, and the parts' values are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from core.losses.pixels import Array, Labels, Pixels, prepare
from core.losses.term import Measure, Seen, WeightedTerm
from core.ranges import Range


def _mean_over(kept: NDArray[np.bool_], pixels: Pixels, log_p: Array, total: float | None) -> tuple[float, Array]:
    """The (weighted) cross-entropy of the pixels kept, over `total` or their weights."""
    weights = pixels.weights * kept
    total = float(weights.sum()) if total is None else total
    if total == 0:
        return 0.0, np.zeros_like(log_p)
    value = -float((weights * pixels.of_true_class(log_p)).sum()) / total
    return value, weights[:, None] * (np.exp(log_p) - pixels.onehot) / total


@dataclass(frozen=True)
class OHEM(WeightedTerm):
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
    seen: ClassVar[Seen] = "mined"

    threshold: Annotated[float, Range(0, 1)] = 0.7
    min_kept: Annotated[int, Range(0)] = 100_000
    form: Literal["gald_net", "paddleseg", "mmseg"] = "gald_net"
    denominator: Literal["kept", "all"] = "kept"

    @property
    def strict(self) -> bool:
        """Whether a pixel at the limit is left out."""
        return self.form != "gald_net"

    def rank(self, labelled: int, pictures: int) -> int | None:
        """Which of `labelled` sorted probabilities, from 1, may raise the limit; None where all pixels are kept; 0 if
        the threshold alone counts."""
        if self.min_kept == 0 or labelled == 0:
            return 0
        if self.form == "mmseg":
            return min(self.min_kept * pictures + 1, labelled)
        return None if self.min_kept >= labelled else self.min_kept

    def value(self, logits: Array, target: Labels, measure: Measure) -> tuple[float, Array]:
        pixels = prepare(logits, target, measure.class_weights)
        log_p = pixels.log_softmax()
        probability = np.exp(pixels.of_true_class(log_p))
        ordered = np.sort(probability[pixels.valid])
        rank = self.rank(ordered.size, len(target))
        limit = 2.0 if rank is None else self.threshold
        if rank:
            limit = max(limit, float(ordered[rank - 1]))
        kept = pixels.valid & ((probability < limit) if self.strict else (probability <= limit))
        total = float(target.size) if self.denominator == "all" else None
        value, gradient = _mean_over(kept, pixels, log_p, total)
        return value * measure.share, gradient * measure.share


@dataclass(frozen=True)
class Bootstrapped(WeightedTerm):
    """Bootstrapped cross-entropy (arXiv:1604.04339, as MXNetSeg has it): the mean over the hardest labelled pixels.

    Kept are those whose loss exceeds `threshold` if they are more than min_kept, else the min_kept with the largest
    loss, those as hard as the last of them included.
    """

    kind: ClassVar[str] = "bootstrapped"
    seen: ClassVar[Seen] = "mined"

    threshold: Annotated[float, Range(0)] = 0.3
    min_kept: Annotated[int, Range(1)] = 100_000

    def value(self, logits: Array, target: Labels, measure: Measure) -> tuple[float, Array]:
        pixels = prepare(logits, target, measure.class_weights)
        log_p = pixels.log_softmax()
        loss = -pixels.of_true_class(log_p)
        kept = pixels.valid & (loss > self.threshold)
        if np.count_nonzero(pixels.valid) > 0 and np.count_nonzero(kept) <= self.min_kept:
            ordered = np.sort(loss[pixels.valid])[::-1]
            kept = pixels.valid & (loss >= ordered[min(self.min_kept, ordered.size) - 1])
        value, gradient = _mean_over(kept, pixels, log_p, None)
        return value * measure.share, gradient * measure.share

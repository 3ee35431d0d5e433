"""Losses of whole regions: dice, and the Lovász-softmax extension of the Jaccard index.

No sums over pixels: where a batch is seen in parts (train.accumulation), each part has its own value, and the parts'
values are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from core.losses.pixels import Array, Labels, prepare, through_softmax
from core.losses.term import Measure, Term
from core.ranges import Range


@dataclass(frozen=True)
class Dice(Term):
    """1 - (2 * sum(p * y) + smooth) / (sum(p^power) + sum(y) + smooth), over the labelled pixels of the batch.

    p: softmax, y: one-hot labels. average: over all classes `together` (MXNetSeg), or the mean over the `classes`.
    """

    kind: ClassVar[str] = "dice"

    power: Literal[1, 2] = 2
    average: Literal["together", "classes"] = "together"
    smooth: Annotated[float, Range(above=0)] = 1.0

    def value(self, logits: Array, target: Labels, measure: Measure) -> tuple[float, Array]:
        pixels = prepare(logits, target)
        valid = pixels.valid[:, None]
        p = np.exp(pixels.log_softmax())
        axes = (0, 1, 2, 3) if self.average == "together" else (0, 2, 3)
        above = 2 * (p * pixels.onehot).sum(axis=axes, keepdims=True) + self.smooth
        below = ((p**self.power) * valid).sum(axis=axes, keepdims=True)
        below = below + pixels.onehot.sum(axis=axes, keepdims=True) + self.smooth
        share = measure.share / above.size
        slope = -(2 * pixels.onehot / below - above / below**2 * self.power * p ** (self.power - 1) * valid)
        return float((1 - above / below).sum()) * share, through_softmax(p, slope * share)


@dataclass(frozen=True)
class LovaszSoftmax(Term):
    """Lovász-softmax (arXiv:1705.08790): the mean over classes of the Lovász extension of the Jaccard loss.

    classes: those `present` in the labels, or `all`. per_picture: the mean of the pictures' losses (0 where nothing is
    labelled) instead of the loss of the batch as one. Pixels of equal error are ordered by their position.
    """

    kind: ClassVar[str] = "lovasz_softmax"

    classes: Literal["present", "all"] = "present"
    per_picture: bool = False

    def value(self, logits: Array, target: Labels, measure: Measure) -> tuple[float, Array]:
        pixels = prepare(logits, target)
        p = np.exp(pixels.log_softmax())
        slope = np.zeros_like(p)
        total = 0.0
        groups = [slice(i, i + 1) for i in range(len(p))] if self.per_picture else [slice(None)]
        for group in groups:
            valid = pixels.valid[group]
            asked, truth = p[group].swapaxes(0, 1)[:, valid], pixels.onehot[group].swapaxes(0, 1)[:, valid]  # [C, P]
            weights = lovasz_weights(np.abs(truth - asked), truth > 0, self.classes)
            total += float((weights * np.abs(truth - asked)).sum())
            part = np.zeros((p.shape[1], *valid.shape))
            part[:, valid] = weights * np.where(truth > 0, -1.0, 1.0)
            slope[group] = part.swapaxes(0, 1)
        share = measure.share / len(groups)
        return total * share, through_softmax(p, slope * share)


def lovasz_weights(errors: Array, truth: NDArray[np.bool_], classes: str) -> Array:
    """[C, P]: the factor of each error in the loss, which is its gradient there: it is constant but where errors tie.

    errors: |y - p| of each class and labelled pixel, [C, P]. Sorted downwards, the factor of the i-th is how much the
    Jaccard loss rises when the pixels up to the i-th are wrong instead of those before it.
    """
    weights = np.zeros(errors.shape)
    counted = [c for c in range(len(truth)) if classes == "all" or truth[c].any()] if errors.size else []
    for c in counted:
        order = np.argsort(-errors[c], kind="stable")
        hit = truth[c][order]
        missed = hit.sum() - np.cumsum(hit)  # of the class, and right
        jaccard = 1.0 - missed / (hit.sum() + np.cumsum(~hit))
        weights[c][order] = np.diff(jaccard, prepend=0.0) / len(counted)
    return weights

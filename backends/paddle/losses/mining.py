"""Hard pixels (core/losses/mining.py). The loss is the cross-entropy of those alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import paddle
from paddle import Tensor

from backends.paddle.losses.cross_entropy import class_weights
from core.data import IGNORE
from core.losses import Measure, Mined


class Candidates:
    """The labelled pixels of a part (core.losses.mining.Candidates): ease and target [N, H, W]."""

    def __init__(self, ease: Tensor, target: Tensor, weights: Sequence[float] | None) -> None:
        self.ease, self.target, self.weights = ease, target, class_weights(ease, weights)
        self.valid = target != IGNORE
        self.pictures, self.pixels = len(target), target.size

    def count(self, limit: float | None = None) -> int:
        return int((self.valid if limit is None else self.valid & (self.ease < limit)).sum())

    def smallest(self, count: int) -> np.ndarray:
        if not bool(self.valid.any()):
            return np.zeros(0)
        labelled = self.ease[self.valid]
        return paddle.topk(labelled, min(count, labelled.size), largest=False, sorted=False)[0].numpy()

    def kept(self, mined: Mined) -> Tensor:
        """[N, H, W]."""
        return self.valid & ((self.ease < mined.limit) if mined.strict else (self.ease <= mined.limit))

    def weight(self, limit: float, strict: bool) -> float:
        kept = self.kept(Mined(limit, strict, 1.0))
        count = float(kept.sum())
        return count if self.weights is None or not count else float(self.weights[self.target[kept]].sum())

    def only(self, mined: Mined, measure: Measure) -> tuple[Tensor, Measure]:
        """The labels of the pixels kept [N, H, W], and the measure of their cross-entropy."""
        labels = paddle.where(self.kept(mined), self.target, paddle.full_like(self.target, IGNORE))
        return labels, replace(measure, divisor=mined.total)


def ohem(losses: Tensor) -> Tensor:
    """The ease of pixels from their losses."""
    return paddle.exp(-losses)


def bootstrapped(losses: Tensor) -> Tensor:
    return -losses

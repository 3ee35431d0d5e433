"""Hard pixels (core/losses/mining.py). The loss is the cross-entropy of those alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from backends.torch.losses.cross_entropy import class_weights
from core.data import IGNORE
from core.losses import Measure, Mined


class Candidates:
    """The labelled pixels of a part (core.losses.mining.Candidates): ease and target [N, H, W]."""

    def __init__(self, ease: Tensor, target: Tensor, weights: Sequence[float] | None) -> None:
        self.ease, self.target, self.weights = ease, target, class_weights(ease, weights)
        self.valid = target != IGNORE
        self.pictures, self.pixels = len(target), target.numel()

    def count(self, limit: float | None = None) -> int:
        return int((self.valid if limit is None else self.valid & (self.ease < limit)).sum())

    def smallest(self, count: int) -> np.ndarray:
        labelled = self.ease[self.valid]
        return labelled.topk(min(count, labelled.numel()), largest=False, sorted=False).values.cpu().numpy()

    def kept(self, mined: Mined) -> Tensor:
        """[N, H, W]."""
        return self.valid & ((self.ease < mined.limit) if mined.strict else (self.ease <= mined.limit))

    def weight(self, limit: float, strict: bool) -> float:
        kept = self.kept(Mined(limit, strict, 1.0))
        return float(kept.sum() if self.weights is None else self.weights[self.target[kept]].sum())

    def only(self, mined: Mined, measure: Measure) -> tuple[Tensor, Measure]:
        """The labels of the pixels kept [N, H, W], and the measure of their cross-entropy."""
        return torch.where(self.kept(mined), self.target, IGNORE), replace(measure, divisor=mined.total)


def ohem(losses: Tensor) -> Tensor:
    """The ease of pixels from their losses."""
    return torch.exp(-losses)


def bootstrapped(losses: Tensor) -> Tensor:
    return -losses

"""Hard pixels (core/losses/mining.py), found on the CPU in numpy. The loss is the cross-entropy of those alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray

from core.data import IGNORE
from core.losses import Measure, Mined, NumpyCandidates


class Candidates(NumpyCandidates):
    """The labelled pixels of a part: ease and target [N, H, W]."""

    def __init__(self, ease: NDArray, target: NDArray, weights: Sequence[float] | None) -> None:
        super().__init__(ease.asnumpy(), target.asnumpy(), weights)
        self.device = ease.context

    def only(self, mined: Mined, measure: Measure) -> tuple[NDArray, Measure]:
        """The labels of the pixels kept [N, H, W], and the measure of their cross-entropy."""
        labels = np.where(self.kept(mined.limit, mined.strict), self.target, IGNORE)
        return nd.array(labels, ctx=self.device, dtype=np.int64), replace(measure, divisor=mined.total)


def ohem(losses: NDArray) -> NDArray:
    """The ease of pixels from their losses."""
    return nd.exp(-losses)


def bootstrapped(losses: NDArray) -> NDArray:
    return -losses

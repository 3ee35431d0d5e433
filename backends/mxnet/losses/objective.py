"""The sum over a network's outputs (core/losses/native.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray

from backends.mxnet.layers import resize
from backends.mxnet.losses.blocks import losses_of_pixels, sum_over_blocks
from backends.mxnet.losses.boundary import boundary
from backends.mxnet.losses.cross_entropy import cross_entropy, mixed_softmax, nll
from backends.mxnet.losses.focal import focal
from backends.mxnet.losses.mining import Candidates, bootstrapped, ohem
from backends.mxnet.losses.overlap import dice, lovasz_softmax
from core.losses import Labels, NativeLoss

# By kind: (logits, target int64 [N, H, W], the term, its measure) -> its value. Logits are [N, H, W, C] of sums over
# pixels and [N, C, H, W] of terms that are seen whole.
TERMS: dict[str, Callable[[NDArray, NDArray, Any, Any], NDArray]] = {
    "cross_entropy": cross_entropy,
    "nll": nll,
    "mixed_softmax": mixed_softmax,
    "focal": focal,
    "dice": dice,
    "lovasz_softmax": lovasz_softmax,
    "boundary": boundary,
}
# By kind: the pixels' losses [N, H, W] -> how easy they are.
MINED: dict[str, Callable[[NDArray], NDArray]] = {
    "ohem": ohem,
    "bootstrapped": bootstrapped,
}


def _full(output: NDArray) -> NDArray:
    return output.astype("float32") if output.dtype == np.float16 else output


def _target(labels: Labels, logits: NDArray) -> NDArray:
    return nd.array(labels, ctx=logits.context, dtype=np.int64)


def _resized(logits: NDArray, target: NDArray, align_corners: bool) -> NDArray:
    like = nd.zeros((1, 1, *target.shape[1:]), ctx=logits.context, dtype=logits.dtype)
    return resize(nd, logits, like, align_corners)


segmentation_loss: NativeLoss[NDArray] = NativeLoss(
    TERMS, MINED, Candidates, _full, _target, losses_of_pixels, sum_over_blocks, _resized
)

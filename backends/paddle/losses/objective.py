"""The sum over a network's outputs (core/losses/native.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle
from paddle import Tensor

from backends.paddle.layers import resize
from backends.paddle.losses.blocks import losses_of_pixels, sum_over_blocks
from backends.paddle.losses.boundary import boundary
from backends.paddle.losses.cross_entropy import cross_entropy, mixed_softmax, nll
from backends.paddle.losses.focal import focal
from backends.paddle.losses.mining import Candidates, bootstrapped, ohem
from backends.paddle.losses.overlap import dice, lovasz_softmax
from core.losses import Labels, NativeLoss

# By kind: (logits, target int64 [N, H, W], the term, its measure) -> its value. Logits are [N, H, W, C] of sums over
# pixels and [N, C, H, W] of terms that are seen whole.
TERMS: dict[str, Callable[[Tensor, Tensor, Any, Any], Tensor]] = {
    "cross_entropy": cross_entropy,
    "nll": nll,
    "mixed_softmax": mixed_softmax,
    "focal": focal,
    "dice": dice,
    "lovasz_softmax": lovasz_softmax,
    "boundary": boundary,
}
# By kind: the pixels' losses [N, H, W] -> how easy they are.
MINED: dict[str, Callable[[Tensor], Tensor]] = {
    "ohem": ohem,
    "bootstrapped": bootstrapped,
}


def _full(output: Tensor) -> Tensor:
    return output.astype("float32") if output.dtype in (paddle.float16, paddle.bfloat16) else output


def _target(labels: Labels, logits: Tensor) -> Tensor:
    return paddle.to_tensor(labels)


def _resized(logits: Tensor, target: Tensor, align_corners: bool) -> Tensor:
    return resize(logits, target.shape[1:], align_corners)


segmentation_loss: NativeLoss[Tensor] = NativeLoss(
    TERMS, MINED, Candidates, _full, _target, losses_of_pixels, sum_over_blocks, _resized
)

"""The sum over a network's outputs (core/losses/native.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from backends.torch.layers import resize
from backends.torch.losses.blocks import losses_of_pixels, sum_over_blocks
from backends.torch.losses.boundary import boundary
from backends.torch.losses.cross_entropy import cross_entropy, mixed_softmax, nll
from backends.torch.losses.focal import focal
from backends.torch.losses.mining import Candidates, bootstrapped, ohem
from backends.torch.losses.overlap import dice, lovasz_softmax
from core.losses import Labels, NativeLoss

# By kind: (logits [N, C, H, W], target int64 [N, H, W], the term, its measure) -> its value.
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
    return output.float() if output.dtype in (torch.float16, torch.bfloat16) else output


def _target(labels: Labels, logits: Tensor) -> Tensor:
    return torch.from_numpy(labels).to(logits.device)


def _resized(logits: Tensor, target: Tensor, align_corners: bool) -> Tensor:
    return resize(logits, target.shape[1:], align_corners)


segmentation_loss: NativeLoss[Tensor] = NativeLoss(
    TERMS, MINED, Candidates, _full, _target, losses_of_pixels, sum_over_blocks, _resized
)

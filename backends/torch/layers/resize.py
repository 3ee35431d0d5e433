"""Bilinear resizes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def resize(x: Tensor, size: tuple[int, int] | torch.Size, align_corners: bool) -> Tensor:
    """Bilinear resize of [N, C, h, w] to [N, C, *size]; half-pixel centres unless `align_corners`."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=align_corners)


def enlarge(x: Tensor, factor: int, align_corners: bool) -> Tensor:
    """Bilinear resize of [N, C, h, w] to [N, C, factor * h, factor * w]."""
    if factor == 1:
        return x
    return resize(x, (x.shape[2] * factor, x.shape[3] * factor), align_corners)

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


def halve(x: Tensor, align_corners: bool) -> Tensor:
    """Bilinear resize of [N, C, h, w] to half its sides, rounded down; without `align_corners` the mean of 2x2 places.

    There an odd side's last row or column takes no part, as with a scale factor of exactly 2.
    """
    if not align_corners:
        return F.avg_pool2d(x, 2)
    return resize(x, (x.shape[2] // 2, x.shape[3] // 2), align_corners=True)


def resize_nearest(x: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """[N, C, h, w] to [N, C, *size]: place i is that of i * h / H, rounded down."""
    return F.interpolate(x, size=tuple(size), mode="nearest")


def _matrix_from_start(source: int, target: int, like: Tensor) -> Tensor:
    """[target, source]: linear interpolation, place i taken from i * source / target."""
    places = torch.arange(source, dtype=like.dtype, device=like.device)
    position = torch.arange(target, dtype=like.dtype, device=like.device) * source / target
    return torch.relu(1 - (position.clamp(max=source - 1)[:, None] - places).abs())


def resize_from_start(x: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Bilinear resize of [N, C, h, w] to [N, C, *size] with the first places aligned (Paddle's `align_mode=1`)."""
    rows, columns = (_matrix_from_start(*sides, x) for sides in zip(x.shape[2:], size))
    return rows @ x @ columns.T

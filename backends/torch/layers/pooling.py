"""Pooling to a given number of bins."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from core.arch.parts import grid_columns


def global_pool(x: Tensor) -> Tensor:
    """[N, C, 1, 1]: the mean of each channel."""
    return x.mean(dim=(2, 3), keepdim=True)


def adaptive_pool(x: Tensor, bins: int) -> Tensor:
    """Mean over bins x bins adaptive bins: [N, C, bins, bins]."""
    return F.adaptive_avg_pool2d(x, bins)


def grid_pool(x: Tensor, rows: int) -> Tensor:
    """Mean over adaptive bins, `rows` down and as many across as the map's proportions ask for (SwiftNet)."""
    return F.adaptive_avg_pool2d(x, (rows, grid_columns(rows, x.shape[2], x.shape[3])))


def reduce_pool(x: Tensor, factor: int) -> Tensor:
    """Mean over adaptive bins, a `factor`-th as many as places, rounded down: [N, C, h // factor, w // factor]."""
    return F.adaptive_avg_pool2d(x, (x.shape[2] // factor, x.shape[3] // factor))


def strided_pool(x: Tensor, bins: int) -> Tensor:
    """[N, C, bins, bins]: means over windows of side // bins + 1, the first cut short in front (SemSegPaddle)."""
    kernel = [side // bins + 1 for side in x.shape[2:]]
    pad = [k * bins - side for k, side in zip(kernel, x.shape[2:])]
    sums = F.avg_pool2d(F.pad(x, (pad[1], 0, pad[0], 0)), kernel, divisor_override=1)
    rows, columns = (x.new_tensor([k - p] + [k] * (bins - 1)) for k, p in zip(kernel, pad))
    return sums / (rows[:, None] * columns)

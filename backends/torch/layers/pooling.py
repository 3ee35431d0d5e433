"""Pooling to a given number of bins."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from core.arch.parts import grid_columns


def _adaptive_pool(x: Tensor, rows: int, columns: int) -> Tensor:
    """[N, C, rows, columns]: means over adaptive bins. ONNX has no such operator: there two matrices do it."""
    if not torch.onnx.is_in_onnx_export():
        return F.adaptive_avg_pool2d(x, (rows, columns))
    down, across = (_adaptive_matrix(x, axis, bins) for axis, bins in ((2, rows), (3, columns)))
    return down @ x @ across.t()


def _adaptive_matrix(x: Tensor, axis: int, bins: int) -> Tensor:
    """[bins, side]: the mean over each of the adaptive bins along `axis`, whose side may be known at run time only."""
    side = x.shape[axis]
    place, i = torch.arange(side, device=x.device), torch.arange(bins, device=x.device)[:, None]
    first = torch.div(i * side, bins, rounding_mode="floor")
    end = torch.div((i + 1) * side + bins - 1, bins, rounding_mode="floor")
    inside = ((place >= first) & (place < end)).to(x.dtype)
    return inside / inside.sum(dim=1, keepdim=True)


def global_pool(x: Tensor) -> Tensor:
    """[N, C, 1, 1]: the mean of each channel."""
    return x.mean(dim=(2, 3), keepdim=True)


def adaptive_pool(x: Tensor, bins: int) -> Tensor:
    """Mean over bins x bins adaptive bins: [N, C, bins, bins]."""
    return _adaptive_pool(x, bins, bins)


def grid_pool(x: Tensor, rows: int) -> Tensor:
    """Mean over adaptive bins, `rows` down and as many across as the map's proportions ask for (SwiftNet)."""
    return _adaptive_pool(x, rows, grid_columns(rows, x.shape[2], x.shape[3]))


def reduce_pool(x: Tensor, factor: int) -> Tensor:
    """Mean over adaptive bins, a `factor`-th as many as places, rounded down: [N, C, h // factor, w // factor]."""
    return _adaptive_pool(x, x.shape[2] // factor, x.shape[3] // factor)


def strided_pool(x: Tensor, bins: int) -> Tensor:
    """[N, C, bins, bins]: means over windows of side // bins + 1, the first cut short in front (SemSegPaddle)."""
    kernel = [side // bins + 1 for side in x.shape[2:]]
    pad = [k * bins - side for k, side in zip(kernel, x.shape[2:])]
    sums = F.avg_pool2d(F.pad(x, (pad[1], 0, pad[0], 0)), kernel, divisor_override=1)
    rows, columns = (x.new_tensor([k - p] + [k] * (bins - 1)) for k, p in zip(kernel, pad))
    return sums / (rows[:, None] * columns)

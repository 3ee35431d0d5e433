"""Pooling to a given number of bins."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor

from backends.paddle.layers.resize import Side, multiply_sides
from core.arch.parts import grid_columns


def _adaptive_bins(side: Side, bins: Side) -> Tensor:
    """[bins, h]: true inside each bin, floor(i * side / bins) to ceil((i + 1) * side / bins)."""
    place, i = paddle.arange(side), paddle.arange(bins).unsqueeze(1)
    return (place >= i * side // bins) & (place < ((i + 1) * side + bins - 1) // bins)


def _strided_bins(side: Side, bins: int) -> Tensor:
    """[bins, h]: true inside each window of k = side // bins + 1, with k * bins - side places missing in front."""
    kernel = side // bins + 1
    return (paddle.arange(side) + (kernel * bins - side)) // kernel == paddle.arange(bins).unsqueeze(1)


def _mean_matrix(inside: Tensor) -> Tensor:
    """[bins, h] float64: the mean over the places inside each bin."""
    inside = inside.astype("float64")
    return inside / inside.sum(axis=1, keepdim=True)


def global_pool(x: Tensor) -> Tensor:
    """[N, C, 1, 1]: the mean of each channel."""
    return x.mean(axis=[2, 3], keepdim=True)


def adaptive_pool(x: Tensor, bins: int) -> Tensor:
    """Mean over bins x bins adaptive bins; exact in float64, where Paddle's gradient is rounded to float32."""
    if x.dtype == paddle.float64:
        return multiply_sides(x, *(_mean_matrix(_adaptive_bins(side, bins)) for side in x.shape[2:]))
    return F.adaptive_avg_pool2d(x, (bins, bins))


def grid_pool(x: Tensor, rows: int) -> Tensor:
    """Mean over adaptive bins, `rows` down and as many across as the map's proportions ask for (SwiftNet)."""
    height, width = x.shape[2:]
    bins = (rows, grid_columns(rows, height, width))
    return multiply_sides(x, *(_mean_matrix(_adaptive_bins(*sides)) for sides in zip((height, width), bins)))


def reduce_pool(x: Tensor, factor: int) -> Tensor:
    """Mean over adaptive bins, a `factor`-th as many as places, rounded down: [N, C, h // factor, w // factor]."""
    return multiply_sides(x, *(_mean_matrix(_adaptive_bins(side, side // factor)) for side in x.shape[2:]))


def strided_pool(x: Tensor, bins: int) -> Tensor:
    """[N, C, bins, bins]: means over windows of side // bins + 1, the first cut short in front (SemSegPaddle)."""
    return multiply_sides(x, *(_mean_matrix(_strided_bins(side, bins)) for side in x.shape[2:]))

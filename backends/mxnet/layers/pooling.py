"""Pooling to a given number of bins."""

from __future__ import annotations

from types import ModuleType

from backends.mxnet.layers.network import Tensor
from backends.mxnet.layers.resize import multiply_sides


def _strided_pool_matrix(F: ModuleType, x: Tensor, axis: int, bins: int) -> Tensor:
    """[bins, h]: the mean over windows of k = h // bins + 1, with k * bins - h places missing in front."""
    place = F.contrib.arange_like(x, axis=axis)
    size = F.max(place) + 1
    kernel = F.floor(size / bins) + 1
    window = F.floor(F.broadcast_div(F.broadcast_add(place, kernel * bins - size), kernel))  # [h]: which one holds it
    rows = F.stack(*[window == i for i in range(bins)], axis=0)
    return F.broadcast_div(rows, F.sum(rows, axis=1, keepdims=True))


def global_pool(F: ModuleType, x: Tensor) -> Tensor:
    """[N, C, 1, 1]: the mean of each channel."""
    return F.mean(x, axis=(2, 3), keepdims=True)


def adaptive_pool(F: ModuleType, x: Tensor, bins: int) -> Tensor:
    """Mean over bins x bins adaptive bins: [N, C, bins, bins]."""
    return F.contrib.AdaptiveAvgPooling2D(x, output_size=bins)


def strided_pool(F: ModuleType, x: Tensor, bins: int) -> Tensor:
    """Mean over windows of side // bins + 1, the first cut short in front (SemSegPaddle): [N, C, bins, bins]."""
    rows, columns = (_strided_pool_matrix(F, x, axis, bins) for axis in (2, 3))
    return multiply_sides(F, x, rows, columns)

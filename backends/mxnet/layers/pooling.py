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


def _adaptive_matrix(F: ModuleType, place: Tensor, i: Tensor) -> Tensor:
    """[n, h]: the mean over the adaptive bins 0, 1, … n - 1 = `i` of the places 0, 1, … h - 1 = `place`."""
    size, bins = F.max(place) + 1, F.max(i) + 1
    first = F.floor(F.broadcast_div(F.broadcast_mul(i, size), bins))
    end = F.ceil(F.broadcast_div(F.broadcast_mul(i + 1, size), bins))
    place = F.expand_dims(place, axis=0)
    inside = F.broadcast_greater_equal(place, F.expand_dims(first, axis=1)) * F.broadcast_lesser(
        place, F.expand_dims(end, axis=1)
    )
    return F.broadcast_div(inside, F.sum(inside, axis=1, keepdims=True))


def _grid_columns(F: ModuleType, height: Tensor, width: Tensor, rows: int) -> Tensor:
    """[1]: core.arch.parts.grid_columns of sides that are [1]."""
    twice, unit = 2 * rows * width, 2 * height
    up = F.floor(F.broadcast_div(F.broadcast_add(twice, height), unit))
    down = F.ceil(F.broadcast_div(F.broadcast_sub(twice, height), unit))
    return F.maximum(down + (up - down) * (down % 2), 1)


def global_pool(F: ModuleType, x: Tensor) -> Tensor:
    """[N, C, 1, 1]: the mean of each channel."""
    return F.mean(x, axis=(2, 3), keepdims=True)


def adaptive_pool(F: ModuleType, x: Tensor, bins: int) -> Tensor:
    """Mean over bins x bins adaptive bins: [N, C, bins, bins]."""
    return F.contrib.AdaptiveAvgPooling2D(x, output_size=bins)


def grid_pool(F: ModuleType, x: Tensor, rows: int) -> Tensor:
    """Mean over adaptive bins, `rows` down and as many across as the map's proportions ask for (SwiftNet).

    How many columns depends on the values of the index vectors, not on their lengths, and MXNet then plans no memory
    for the graph: `boolean_mask` keeps the columns there are of the `rows` * w there may be.
    """
    down, across = (F.contrib.arange_like(x, axis=axis) for axis in (2, 3))
    columns = _grid_columns(F, F.max(down) + 1, F.max(across) + 1, rows)
    possible = F.reshape(F.stack(*[rows * across + i for i in range(rows)], axis=1), (-1,))
    i = F.contrib.boolean_mask(possible, F.broadcast_lesser(possible, columns))
    row_numbers = F.slice_axis(possible, axis=0, begin=0, end=rows)
    return multiply_sides(F, x, _adaptive_matrix(F, down, row_numbers), _adaptive_matrix(F, across, i))


def reduce_pool(F: ModuleType, x: Tensor, factor: int) -> Tensor:
    """Mean over adaptive bins, a `factor`-th as many as places, rounded down: [N, C, h // factor, w // factor]."""
    one = F.slice_axis(x, axis=1, begin=0, end=1)
    bins = F.Pooling(one, kernel=(factor, factor), stride=(factor, factor), pooling_convention="valid")  # for its sides
    rows, columns = (
        _adaptive_matrix(F, F.contrib.arange_like(x, axis=axis), F.contrib.arange_like(bins, axis=axis))
        for axis in (2, 3)
    )
    return multiply_sides(F, x, rows, columns)


def strided_pool(F: ModuleType, x: Tensor, bins: int) -> Tensor:
    """Mean over windows of side // bins + 1, the first cut short in front (SemSegPaddle): [N, C, bins, bins]."""
    rows, columns = (_strided_pool_matrix(F, x, axis, bins) for axis in (2, 3))
    return multiply_sides(F, x, rows, columns)

"""Bilinear resizes."""

from __future__ import annotations

from types import ModuleType

from backends.mxnet.layers.network import Tensor


def multiply_sides(F: ModuleType, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[N, C, h, w] to [N, C, H, W] by the matrices `rows` [H, h] and `columns` [W, w]."""
    x = F.transpose(x, (2, 0, 1, 3))  # [h, N, C, w]: the transpositions are of the smaller maps
    x = F.transpose(F.dot(rows, x), (1, 2, 0, 3))  # [N, C, H, w]
    return F.dot(x, columns, transpose_b=True)


def interpolation_matrix(F: ModuleType, source: Tensor, target: Tensor, align_corners: bool) -> Tensor:
    """[H, h], linear interpolation along one side: `source` is the vector 0, 1, … h - 1, `target` 0, 1, … H - 1."""
    size, new_size = F.max(source) + 1, F.max(target) + 1
    if align_corners:
        position = F.broadcast_mul(target, F.broadcast_div(size - 1, F.maximum(new_size - 1, 1)))
    else:
        position = F.broadcast_mul(target + 0.5, F.broadcast_div(size, new_size)) - 0.5
    return _tents(F, source, position)


def _tents(F: ModuleType, source: Tensor, position: Tensor) -> Tensor:
    """[H, h]: the weights of the places `source` [h] for linear interpolation at `position` [H]."""
    position = F.broadcast_minimum(F.maximum(position, 0), F.max(source))
    distance = F.broadcast_sub(F.expand_dims(position, axis=1), F.expand_dims(source, axis=0))
    return F.relu(1 - F.abs(distance))


def resize(F: ModuleType, x: Tensor, like: Tensor, align_corners: bool) -> Tensor:
    """Bilinear resize of [N, C, h, w] to the sides of `like` [., ., H, W]; half-pixel centres unless `align_corners`.

    Two matrix products: exact in float64, where MXNet's own operator (BilinearResize2D) works in float32, right for
    sides of 1, where it is not, and several times as fast in the backward pass.
    """
    rows, columns = (
        interpolation_matrix(
            F, F.contrib.arange_like(x, axis=axis), F.contrib.arange_like(like, axis=axis), align_corners
        )
        for axis in (2, 3)
    )
    return multiply_sides(F, x, rows, columns)


def enlarge(F: ModuleType, x: Tensor, factor: int, align_corners: bool) -> Tensor:
    """Bilinear resize of [N, C, h, w] to [N, C, factor * h, factor * w]."""
    if factor == 1:
        return x
    matrices = []
    for axis in (2, 3):
        source = F.contrib.arange_like(x, axis=axis)
        target = F.reshape(F.stack(*[factor * source + i for i in range(factor)], axis=1), (-1,))
        matrices.append(interpolation_matrix(F, source, target, align_corners))
    return multiply_sides(F, x, *matrices)


def halve(F: ModuleType, x: Tensor, align_corners: bool) -> Tensor:
    """Bilinear resize of [N, C, h, w] to half its sides, rounded down; without `align_corners` the mean of 2x2 places.

    There an odd side's last row or column takes no part, as with a scale factor of exactly 2.
    """
    halved = F.Pooling(x, pool_type="avg", kernel=(2, 2), stride=(2, 2), pooling_convention="valid")
    return resize(F, x, halved, align_corners=True) if align_corners else halved


def resize_nearest(F: ModuleType, x: Tensor, like: Tensor) -> Tensor:
    """[N, C, h, w] to the sides of `like` [., ., H, W]: place i is that of i * h / H, rounded down."""
    matrices = []
    for axis in (2, 3):
        source, target = (F.contrib.arange_like(array, axis=axis) for array in (x, like))
        place = F.floor(
            F.broadcast_div(F.broadcast_mul(target, F.max(source) + 1), F.max(target) + 1)
        )  # the product is exact, and so is the quotient where it is whole
        matrices.append(F.broadcast_equal(F.expand_dims(place, axis=1), F.expand_dims(source, axis=0)))
    return multiply_sides(F, x, *matrices)


def resize_from_start(F: ModuleType, x: Tensor, like: Tensor) -> Tensor:
    """Bilinear resize of [N, C, h, w] to the sides of `like`, first places aligned (Paddle's `align_mode=1`)."""
    matrices = []
    for axis in (2, 3):
        source, target = F.contrib.arange_like(x, axis=axis), F.contrib.arange_like(like, axis=axis)
        scale = F.broadcast_div(F.max(source) + 1, F.max(target) + 1)
        matrices.append(_tents(F, source, F.broadcast_mul(target, scale)))
    return multiply_sides(F, x, *matrices)

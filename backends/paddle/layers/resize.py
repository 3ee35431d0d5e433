"""Bilinear resizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import paddle
import paddle.nn.functional as F
from paddle import Tensor

Side: TypeAlias = int | Tensor  # of a map: a scalar tensor in a static graph that is made for any size


def multiply_sides(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[N, C, h, w] to [N, C, H, W] by the matrices `rows` [H, h] and `columns` [W, w], of any floating type."""
    across = paddle.matmul(x, columns.astype(x.dtype), transpose_y=True)  # [N, C, h, W]
    return paddle.matmul(rows.astype(x.dtype), across)


def interpolation_matrix(source: Side, target: Side, align_corners: bool) -> Tensor:
    """[H, h] float64, core.losses.interpolation_matrix where a side may be a tensor."""
    if align_corners:
        position = paddle.linspace(0, source - 1, target, dtype="float64")
    else:
        position = (paddle.arange(target, dtype="float64") + 0.5) * source / target - 0.5
        position = position.clip(0, source - 1)
    distance = position.unsqueeze(1) - paddle.arange(source, dtype="float64")
    return F.relu(1 - distance.abs())


def resize(x: Tensor, size: Sequence[Side], align_corners: bool) -> Tensor:
    """Bilinear resize of [N, C, h, w] to [N, C, *size]; half-pixel centres unless `align_corners`.

    Two matrix products: exact in float64, where Paddle's own kernel works out where to sample in float32, right for
    sides of 1, where it is not, and on a processor about twice as fast.
    """
    return multiply_sides(x, *(interpolation_matrix(*sides, align_corners) for sides in zip(x.shape[2:], size)))


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
        return F.avg_pool2d(x, 2, stride=2)
    return resize(x, (x.shape[2] // 2, x.shape[3] // 2), align_corners=True)


def resize_nearest(x: Tensor, size: Sequence[Side]) -> Tensor:
    """[N, C, h, w] to [N, C, *size]: place i is that of i * h / H, rounded down."""
    for axis, source, target in zip((2, 3), x.shape[2:], size):
        x = x.index_select(paddle.arange(target) * source // target, axis)
    return x


def _matrix_from_start(source: Side, target: Side) -> Tensor:
    """[H, h] float64: linear interpolation, place i taken from i * source / target."""
    position = (paddle.arange(target, dtype="float64") * source / target).clip(0, source - 1)
    distance = position.unsqueeze(1) - paddle.arange(source, dtype="float64")
    return F.relu(1 - distance.abs())


def resize_from_start(x: Tensor, size: Sequence[Side]) -> Tensor:
    """Bilinear resize of [N, C, h, w] to [N, C, *size] with the first places aligned: Paddle's own `align_mode=1`.

    Two matrix products, as in `resize`.
    """
    return multiply_sides(x, *(_matrix_from_start(*sides) for sides in zip(x.shape[2:], size)))

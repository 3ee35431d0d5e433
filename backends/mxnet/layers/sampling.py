"""Maps read between their places."""

from __future__ import annotations

from types import ModuleType

from backends.mxnet.layers.network import Tensor


def sample(F: ModuleType, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[N, C, h, w] at the positions `rows`, `columns` [N, H, W], in places of the map: [N, C, H, W]. Bilinear.

    Places outside the map count as 0; nothing is learned from a position a whole place or more outside. Written out,
    because `BilinearSampler` takes positions as shares of the sides: its rounding decides which two places a whole
    position lies between, and with them the position's gradient. (And `GridGenerator` has no float64.)
    """
    table = F.reshape(F.transpose(x, (0, 2, 3, 1)), (-1, 0), reverse=True)  # [N * h * w, C]
    height, width = (F.reshape(F.max(F.contrib.arange_like(x, axis=axis)) + 1, (1, 1, 1)) for axis in (2, 3))
    picture = _whole(F, F.reshape(F.contrib.arange_like(x, axis=0), (-1, 1, 1)))
    top, left = F.floor(rows), F.floor(columns)
    near = (rows > -1) * (columns > -1)
    down, across = rows - top, columns - left
    result = 0
    for row, vertical in ((top, 1 - down), (top + 1, down)):
        for column, horizontal in ((left, 1 - across), (left + 1, across)):
            inside = near * (row >= 0) * F.broadcast_lesser(row, height)
            inside = inside * (column >= 0) * F.broadcast_lesser(column, width)
            place = F.broadcast_add(F.broadcast_mul(picture, _whole(F, height)), _whole(F, row * inside))
            place = F.broadcast_mul(place, _whole(F, width)) + _whole(F, column * inside)
            weight = F.expand_dims(vertical * horizontal * inside, axis=3)
            result = result + F.broadcast_mul(F.take(table, place, axis=0, mode="clip"), weight)
    return F.transpose(result, (0, 3, 1, 2))


def _whole(F: ModuleType, x: Tensor) -> Tensor:
    """Integers, without a gradient: float32 would not count the places of a large batch."""
    return F.cast(F.stop_gradient(x), dtype="int32")


def places(F: ModuleType, x: Tensor) -> tuple[Tensor, Tensor]:
    """(rows [1, h, 1], columns [1, 1, w]) of the places of [N, C, h, w]."""
    rows, columns = (F.contrib.arange_like(x, axis=axis) for axis in (2, 3))
    return F.reshape(rows, (1, -1, 1)), F.reshape(columns, (1, 1, -1))


def warp(F: ModuleType, x: Tensor, flow: Tensor) -> Tensor:
    """[N, C, h, w] read at every place plus its `flow` [N, 2, h, w]: to the right, downwards, in places of the map."""
    rows, columns = places(F, x)
    right, down = (F.squeeze(F.slice_axis(flow, axis=1, begin=i, end=i + 1), axis=1) for i in range(2))
    return sample(F, x, F.broadcast_add(down, rows), F.broadcast_add(right, columns))

"""Maps read between their places."""

from __future__ import annotations

import paddle
from paddle import Tensor


def sample(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[N, C, h, w] at the positions `rows`, `columns` [N, H, W], in places of the map: [N, C, H, W]. Bilinear.

    Places outside the map count as 0; nothing is learned from a position a whole place or more outside. Written out,
    because `grid_sample` takes positions as shares of the sides: its rounding decides which two places a whole position
    lies between, and with them the position's gradient.
    """
    height, width = x.shape[2:]
    channels_last = x.transpose([0, 2, 3, 1])
    top, left = rows.floor(), columns.floor()
    near = (rows > -1) & (columns > -1)
    down, across = rows - top, columns - left
    picture = paddle.arange(x.shape[0]).reshape([-1, 1, 1])
    result = paddle.zeros([], dtype=x.dtype)
    for row, vertical in ((top, 1 - down), (top + 1, down)):
        for column, horizontal in ((left, 1 - across), (left + 1, across)):
            inside = near & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            nowhere = paddle.zeros_like(row)  # for what is no number as well
            place = [paddle.where(inside, side, nowhere).astype("int64") for side in (row, column)]
            index = paddle.stack([picture + paddle.zeros_like(place[0]), *place], axis=3)
            weight = vertical * horizontal * inside.astype(x.dtype)
            result = result + paddle.gather_nd(channels_last, index) * weight.unsqueeze(3)
    return result.transpose([0, 3, 1, 2])


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """[N, C, h, w] read at every place plus its `flow` [N, 2, h, w]: to the right, downwards, in places of the map."""
    rows, columns = (paddle.arange(side).astype(x.dtype) for side in x.shape[2:])
    return sample(x, rows.unsqueeze(1) + flow[:, 1], columns + flow[:, 0])

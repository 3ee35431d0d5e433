"""Maps read between their places."""

from __future__ import annotations

import torch
from torch import Tensor


def sample(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[N, C, h, w] at the positions `rows`, `columns` [N, H, W], in places of the map: [N, C, H, W]. Bilinear.

    Places outside the map count as 0; nothing is learned from a position a whole place or more outside. Written out,
    because `grid_sample` takes positions as shares of the sides: its rounding decides which two places a whole position
    lies between, and with them the position's gradient.
    """
    height, width = x.shape[2:]
    flat = x.flatten(2)
    top, left = rows.floor(), columns.floor()
    near = (rows > -1) & (columns > -1)
    down, across = rows - top, columns - left
    result = torch.zeros((), dtype=x.dtype, device=x.device)
    for row, vertical in ((top, 1 - down), (top + 1, down)):
        for column, horizontal in ((left, 1 - across), (left + 1, across)):
            inside = near & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            place = torch.where(inside, row * width + column, 0).long()  # 0 for what is no number as well
            index = place.flatten(1).unsqueeze(1).expand(-1, x.shape[1], -1)
            weight = (vertical * horizontal * inside).flatten(1).unsqueeze(1)
            result = result + flat.gather(2, index) * weight
    return result.unflatten(2, rows.shape[1:])


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """[N, C, h, w] read at every place plus its `flow` [N, 2, h, w]: to the right, downwards, in places of the map."""
    rows, columns = (torch.arange(side, dtype=x.dtype, device=x.device) for side in x.shape[2:])
    return sample(x, rows[:, None] + flow[:, 1], columns + flow[:, 0])

"""Attention."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor

QUERIES = 1024  # at once, where no gradient is asked for


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[N, D, H, W] twice and [N, C, H, W] to [N, C, H, W]: each place's mean over all places.

    The weights are a softmax of unscaled products. Without gradients the HW x HW weights never stand in memory as a
    whole, but in a static graph for any size; one for a given size has them in blocks, too.
    """
    places = query.shape[2:]
    query, key, value = (x.flatten(2) for x in (query, key, value))  # [N, ., HW]
    count = query.shape[2]  # -1 in a graph for any size
    dynamic = paddle.in_dynamic_mode()
    if (dynamic and not paddle.is_grad_enabled()) or (not dynamic and count > 0):
        parts = [query[:, :, start : start + QUERIES] for start in range(0, count, QUERIES)]
        mean = paddle.concat([_attend(part, key, value) for part in parts], axis=2)
    else:
        mean = _attend(query, key, value)
    return mean.unflatten(2, places)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[N, D, L], [N, D, M], [N, C, M] to [N, C, L]."""
    weights = F.softmax(paddle.matmul(query, key, transpose_x=True), axis=-1)  # [N, L, M]
    return paddle.matmul(value, weights, transpose_y=True)


def criss_cross(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[N, D, H, W] twice and [N, C, H, W] to [N, C, H, W]: each place's mean over its column and row.

    The weights are one softmax of unscaled products over the H + W - 1 places; the place itself counts once.
    """
    height = query.shape[2]
    row = paddle.arange(height)
    itself = (row.unsqueeze(1) == row).astype(query.dtype)
    down = paddle.matmul(query.transpose([0, 3, 2, 1]), key.transpose([0, 3, 1, 2])) - 1e30 * itself  # [N, W, H, H]
    across = paddle.matmul(query.transpose([0, 2, 3, 1]), key.transpose([0, 2, 1, 3]))  # [N, H, W, W]
    energy = paddle.concat([down.transpose([0, 2, 1, 3]), across], axis=3)
    weights = F.softmax(energy, axis=3)  # [N, H, W, H + W]
    down, across = weights[:, :, :, :height].transpose([0, 2, 1, 3]), weights[:, :, :, height:]
    by_column = paddle.matmul(down, value.transpose([0, 3, 2, 1]))  # [N, W, H, C]
    by_row = paddle.matmul(across, value.transpose([0, 2, 3, 1]))  # [N, H, W, C]
    return by_column.transpose([0, 3, 2, 1]) + by_row.transpose([0, 3, 1, 2])

"""Attention."""

from __future__ import annotations

from types import ModuleType

from mxnet import autograd, nd
from mxnet.ndarray import NDArray

from backends.mxnet.layers.concat import concat
from backends.mxnet.layers.network import Tensor

QUERIES = 1024  # at once, where no gradient is asked for


def attend(F: ModuleType, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[N, D, H, W] twice and [N, C, H, W] to [N, C, H, W]: each place's mean over all places.

    The weights are a softmax of unscaled products. Without gradients the HW x HW weights never stand in memory as a
    whole; a graph, made for any size, has them: blocks that attend are none by themselves (models/danet.py).
    """
    places, (query, key, value) = query, (F.reshape(x, (0, 0, -1)) for x in (query, key, value))  # [N, ., HW]
    if not isinstance(query, NDArray) or autograd.is_recording():
        mean = _attend(F, query, key, value)
    else:
        count = query.shape[2]
        parts = [
            _attend(nd, nd.slice_axis(query, axis=2, begin=i, end=min(i + QUERIES, count)), key, value)
            for i in range(0, count, QUERIES)
        ]
        by_place = concat(nd, *[nd.transpose(part, (0, 2, 1)) for part in parts])  # [N, HW, C]
        mean = nd.transpose(by_place, (0, 2, 1))
    return F.reshape_like(mean, places, lhs_begin=2, lhs_end=3, rhs_begin=2, rhs_end=4)


def _attend(F: ModuleType, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[N, D, L], [N, D, M], [N, C, M] to [N, C, L]."""
    weights = F.softmax(F.batch_dot(query, key, transpose_a=True), axis=-1)  # [N, L, M]
    return F.batch_dot(value, weights, transpose_b=True)


def criss_cross(F: ModuleType, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[N, D, H, W] twice and [N, C, H, W] to [N, C, H, W]: each place's mean over its column and row.

    The weights are one softmax of unscaled products over the H + W - 1 places; the place itself counts once. It is
    written out, since a graph for any size cannot take the concatenated weights apart again.
    """
    rows = F.contrib.arange_like(query, axis=2)
    itself = F.broadcast_equal(F.expand_dims(rows, axis=1), F.expand_dims(rows, axis=0))  # [H, H]
    columns, lines = F.transpose(query, (0, 3, 2, 1)), F.transpose(query, (0, 2, 3, 1))  # [N, W, H, D], [N, H, W, D]
    down = F.broadcast_sub(_products(F, columns, F.transpose(key, (0, 3, 2, 1))), F.expand_dims(1e30 * itself, axis=0))
    across = _products(F, lines, F.transpose(key, (0, 2, 3, 1)))  # [N * H, W, W]; down: [N * W, H, H]
    largest_down = F.transpose(_apart(F, F.max(down, axis=2), columns), (0, 2, 1))  # [N, H, W]
    largest = F.stop_gradient(F.maximum(largest_down, _apart(F, F.max(across, axis=2), lines)))
    by_column = F.reshape(F.transpose(largest, (0, 2, 1)), (-3, 0, 1))  # [N * W, H, 1]
    down = F.exp(F.broadcast_sub(down, by_column))
    across = F.exp(F.broadcast_sub(across, F.reshape(largest, (-3, 0, 1))))
    total = F.transpose(_apart(F, F.sum(down, axis=2), columns), (0, 2, 1)) + _apart(F, F.sum(across, axis=2), lines)
    mean_down = F.batch_dot(down, F.reshape(F.transpose(value, (0, 3, 2, 1)), (-3, 0, 0)))  # [N * W, H, C]
    mean_across = F.batch_dot(across, F.reshape(F.transpose(value, (0, 2, 3, 1)), (-3, 0, 0)))  # [N * H, W, C]
    mixed = F.transpose(_apart(F, mean_down, columns), (0, 3, 2, 1)) + F.transpose(
        _apart(F, mean_across, lines), (0, 3, 1, 2)
    )
    return F.broadcast_div(mixed, F.expand_dims(total, axis=1))


def _products(F: ModuleType, query: Tensor, key: Tensor) -> Tensor:
    """[N, B, L, D] twice to [N * B, L, L]."""
    return F.batch_dot(F.reshape(query, (-3, 0, 0)), F.reshape(key, (-3, 0, 0)), transpose_b=True)


def _apart(F: ModuleType, x: Tensor, like: Tensor) -> Tensor:
    """[N * B, ...] to [N, B, ...] with the sides of `like` [N, B, ...]."""
    return F.reshape_like(x, like, lhs_begin=0, lhs_end=1, rhs_begin=0, rhs_end=2)

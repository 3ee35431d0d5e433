"""Attention."""

from __future__ import annotations

from types import ModuleType

from mxnet import autograd, nd
from mxnet.ndarray import NDArray

from backends.mxnet.layers.concat import concat
from backends.mxnet.layers.network import Tensor

QUERIES = 1024  # at once, where no gradient is asked for


def attend(F: ModuleType, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[N, D, L], [N, D, M], [N, C, M] to [N, C, L]: the values' mean, weighted by a softmax of unscaled products.

    Without gradients the L x M weights never stand in memory as a whole; a hybridized graph, made for any L, has them.
    """
    if not isinstance(query, NDArray) or autograd.is_recording():
        return _attend(F, query, key, value)
    places = query.shape[2]
    parts = [
        _attend(nd, nd.slice_axis(query, axis=2, begin=i, end=min(i + QUERIES, places)), key, value)
        for i in range(0, places, QUERIES)
    ]
    by_place = concat(nd, *[nd.transpose(part, (0, 2, 1)) for part in parts])  # [N, L, C]
    return nd.transpose(by_place, (0, 2, 1))


def _attend(F: ModuleType, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
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

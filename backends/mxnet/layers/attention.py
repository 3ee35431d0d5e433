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

"""Attention."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor

QUERIES = 1024  # at once, where no gradient is asked for


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[N, D, L], [N, D, M], [N, C, M] to [N, C, L]: the values' mean, weighted by a softmax of unscaled products.

    Without gradients the L x M weights never stand in memory as a whole; a static graph, made for any L, has them.
    """
    if paddle.in_dynamic_mode() and not paddle.is_grad_enabled():
        parts = [query[:, :, start : start + QUERIES] for start in range(0, query.shape[2], QUERIES)]
        return paddle.concat([_attend(part, key, value) for part in parts], axis=2)
    return _attend(query, key, value)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    weights = F.softmax(paddle.matmul(query, key, transpose_x=True), axis=-1)  # [N, L, M]
    return paddle.matmul(value, weights, transpose_y=True)

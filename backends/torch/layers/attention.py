"""Attention."""

from __future__ import annotations

import torch
from torch import Tensor

QUERIES = 1024  # at once, where no gradient is asked for


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[N, D, L], [N, D, M], [N, C, M] to [N, C, L]: the values' mean, weighted by a softmax of unscaled products.

    Without gradients the L x M weights never stand in memory as a whole; a compiled graph, made for any L, has them.
    """
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return _attend(query, key, value)
    return torch.cat([_attend(part, key, value) for part in query.split(QUERIES, dim=2)], dim=2)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    weights = torch.softmax(query.transpose(1, 2) @ key, dim=-1)  # [N, L, M]
    return value @ weights.transpose(1, 2)

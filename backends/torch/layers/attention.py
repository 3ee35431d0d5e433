"""Attention."""

from __future__ import annotations

import torch
from torch import Tensor

QUERIES = 1024  # at once, where no gradient is asked for


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[N, D, H, W] twice and [N, C, H, W] to [N, C, H, W]: each place's mean over all places.

    The weights are a softmax of unscaled products. Without gradients the HW x HW weights never stand in memory as a
    whole; a compiled graph, made for any size, has them.
    """
    places = query.shape[2:]
    query, key, value = (x.flatten(2) for x in (query, key, value))  # [N, ., HW]
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export():
        mean = _attend(query, key, value)
    else:
        mean = torch.cat([_attend(part, key, value) for part in query.split(QUERIES, dim=2)], dim=2)
    return mean.unflatten(2, places)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[N, D, L], [N, D, M], [N, C, M] to [N, C, L]."""
    weights = torch.softmax(query.transpose(1, 2) @ key, dim=-1)  # [N, L, M]
    return value @ weights.transpose(1, 2)


def criss_cross(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[N, D, H, W] twice and [N, C, H, W] to [N, C, H, W]: each place's mean over its column and row.

    The weights are one softmax of unscaled products over the H + W - 1 places; the place itself counts once.
    """
    height, width = query.shape[2:]
    place = torch.arange(height, device=query.device)
    itself = place[:, None] == place  # [H, H]; runtimes of ONNX lack the operator of torch.eye
    down = (query.permute(0, 3, 2, 1) @ key.permute(0, 3, 1, 2)).masked_fill(itself, -torch.inf)  # [N, W, H, H]
    across = query.permute(0, 2, 3, 1) @ key.permute(0, 2, 1, 3)  # [N, H, W, W]
    weights = torch.softmax(torch.cat([down.transpose(1, 2), across], dim=3), dim=3)  # [N, H, W, H + W]
    down, across = weights.split((height, width), dim=3)
    by_column = down.transpose(1, 2) @ value.permute(0, 3, 2, 1)  # [N, W, H, C]
    by_row = across @ value.permute(0, 2, 3, 1)  # [N, H, W, C]
    return (by_column.transpose(1, 2) + by_row).permute(0, 3, 1, 2)

"""Activations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from core.arch.activations import check_activation

SIMPLE: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "relu": partial(nn.ReLU, inplace=True),
    "relu6": partial(nn.ReLU6, inplace=True),
    "leaky_relu": partial(nn.LeakyReLU, 0.01),
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "hard_swish": nn.Hardswish,
    "gelu": partial(nn.GELU, approximate="none"),
}


def activation(name: str, channels: int) -> nn.Module:
    """One of core.arch.activations, for maps of `channels`. Raises ValueError for an unknown name."""
    check_activation(name)
    if name in ("prelu", "prelu_shared"):
        return nn.PReLU(channels if name == "prelu" else 1)
    return SIMPLE[name]()

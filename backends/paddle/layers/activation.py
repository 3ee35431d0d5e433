"""Activations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from paddle import nn

from core.arch.activations import check_activation

SIMPLE: dict[str, Callable[[], nn.Layer]] = {
    "none": nn.Identity,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": partial(nn.LeakyReLU, 0.01),
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "silu": nn.Silu,
    "hard_swish": nn.Hardswish,
    "gelu": partial(nn.GELU, approximate=False),
}


def activation(name: str, channels: int) -> nn.Layer:
    """One of core.arch.activations, for maps of `channels`. Raises ValueError for an unknown name."""
    check_activation(name)
    if name in ("prelu", "prelu_shared"):
        return nn.PReLU(num_parameters=channels if name == "prelu" else 1, data_format="NCHW")
    return SIMPLE[name]()

"""The activations that blocks know by name."""

from __future__ import annotations

from typing import Literal, get_args

Activation = Literal[
    "none",
    "relu",
    "relu6",  # min(relu(x), 6)
    "leaky_relu",  # slope 0.01
    "prelu",  # a learned slope per channel
    "prelu_shared",  # one learned slope
    "sigmoid",
    "tanh",
    "silu",  # x * sigmoid(x), also called swish
    "hard_swish",  # x * relu6(x + 3) / 6
    "gelu",  # x * Phi(x), with the normal distribution itself
]
ACTIVATIONS: tuple[str, ...] = get_args(Activation)


def check_activation(name: str) -> str:
    """`name`. Raises ValueError for one that no backend knows."""
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}: {', '.join(ACTIVATIONS)}")
    return name

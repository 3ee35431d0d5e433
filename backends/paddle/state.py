"""Between a model and {canonical name: numpy array}. Canonical names and layouts are PyTorch's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import paddle
from paddle import Tensor, nn

from core.arch.inventory import check_state

# What Paddle calls batch norm's statistics and PReLU's slope.
CANONICAL = {"_mean": "running_mean", "_variance": "running_var", "_weight": "weight"}


def named_tensors(model: nn.Layer) -> Iterator[tuple[str, Tensor, bool]]:
    """(canonical name, tensor, whether its two axes are swapped in Paddle) of all parameters and buffers, in order.

    Paddle keeps batch norm's statistics among the parameters (`stop_gradient` tells them apart) and a Linear's weight
    as [in, out].
    """
    for prefix, layer in model.named_sublayers(include_self=True):
        for own, tensor in layer.named_parameters(include_sublayers=False):
            name = CANONICAL.get(own, own)
            yield f"{prefix}.{name}" if prefix else name, tensor, isinstance(layer, nn.Linear) and own == "weight"


def names(model: nn.Layer) -> list[str]:
    """Canonical names of all parameters and buffers, in order."""
    return [name for name, _, _ in named_tensors(model)]


def to_canonical(tensor: Tensor, swapped: bool) -> np.ndarray:
    """A contiguous copy in the canonical layout."""
    array = tensor.numpy()
    return np.array(array.T if swapped else array, order="C")


def from_canonical(array: np.ndarray, tensor: Tensor, swapped: bool) -> np.ndarray:
    """`array` in the layout and type of `tensor`."""
    return np.ascontiguousarray(array.T if swapped else array, dtype=tensor.numpy().dtype)


def get_state(model: nn.Layer) -> dict[str, np.ndarray]:
    """A copy of every parameter and buffer."""
    return {name: to_canonical(tensor, swapped) for name, tensor, swapped in named_tensors(model)}


@paddle.no_grad()
def set_state(model: nn.Layer, state: Mapping[str, np.ndarray]) -> None:
    """Puts `state` into the model, all or nothing. Raises WeightsError unless names and shapes are the model's."""
    check_state(model.spec.parameters(), state)
    for name, tensor, swapped in named_tensors(model):
        tensor.set_value(from_canonical(state[name], tensor, swapped))

"""Between a model and {canonical name: numpy array}. MXNet's layouts are PyTorch's; some kinds name differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from mxnet import nd
from mxnet.gluon import Block, Parameter, nn

from backends.mxnet.layers import GroupNorm, Network
from core.arch.inventory import check_state

# {kind of block: {Gluon's name of its parameter: canonical}}; a network's own `gamma` keeps its name.
AFFINE = {"gamma": "weight", "beta": "bias"}
RENAMED: dict[type[Block], dict[str, str]] = {
    nn.BatchNorm: AFFINE,
    nn.LayerNorm: AFFINE,
    GroupNorm: AFFINE,
    nn.PReLU: {"alpha": "weight"},
}


def parameters(model: Network) -> dict[str, Parameter]:
    """{canonical name: parameter} of all parameters and running statistics, in order."""
    return dict(_named(model, ""))


def _named(block: Block, prefix: str) -> Iterator[tuple[str, Parameter]]:
    renamed = next((names for kind, names in RENAMED.items() if isinstance(block, kind)), {})
    for own, parameter in block._reg_params.items():
        yield prefix + renamed.get(own, own), parameter
    for name, child in block._children.items():
        yield from _named(child, f"{prefix}{name}.")


def names(model: Network) -> list[str]:
    """Canonical names of all parameters and buffers, in order."""
    return list(parameters(model))


def get_state(model: Network) -> dict[str, np.ndarray]:
    """A copy of every parameter and buffer."""
    return {name: parameter.data().asnumpy() for name, parameter in parameters(model).items()}


def set_state(model: Network, state: Mapping[str, np.ndarray]) -> None:
    """Puts `state` into the model, all or nothing. Raises WeightsError unless names and shapes are the model's."""
    check_state(model.spec.parameters(), state)
    for name, parameter in parameters(model).items():
        parameter.set_data(nd.array(state[name], dtype=parameter.dtype))

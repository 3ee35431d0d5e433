"""Between a model and {canonical name: numpy array}. MXNet's layouts are PyTorch's; some names end differently."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from mxnet import nd
from mxnet.gluon import Parameter

from backends.mxnet.layers import Network
from core.arch.inventory import check_state

# Gluon's attribute -> canonical. `alpha` is the slope of a PReLU.
SUFFIXES = {"gamma": "weight", "beta": "bias", "alpha": "weight"}


def parameters(model: Network) -> dict[str, Parameter]:
    """{canonical name: parameter} of all parameters and running statistics, in order."""
    named = {}
    for name, parameter in model._collect_params_with_prefix().items():  # names by structure, as in save_parameters
        *path, leaf = name.split(".")
        named[".".join([*path, SUFFIXES.get(leaf, leaf)])] = parameter
    return named


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

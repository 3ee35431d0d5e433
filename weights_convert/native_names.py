"""What each framework calls our own models' parameters, and which it stores transposed: the one table of both.

Attribute names are the same in every backend, so only the last component of a name and one layout differ:

    kind           PyTorch        Paddle            MXNet (Gluon's structural names)
    norm_scale     weight         weight            gamma
    norm_bias      bias           bias              beta
    running_mean   running_mean   _mean             running_mean
    running_var    running_var    _variance         running_var
    prelu          weight         _weight           alpha
    linear         [out, in]      [in, out]         [out, in]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.arch.inventory import Parameter
from core.errors import WeightsError

# framework -> kind -> last component, where it is not the canonical (PyTorch) one.
LEAVES: dict[str, dict[str, str]] = {
    "torch": {},
    "paddle": {"running_mean": "_mean", "running_var": "_variance", "prelu": "_weight"},
    "mxnet": {"norm_scale": "gamma", "norm_bias": "beta", "prelu": "alpha"},
}
TRANSPOSED: dict[str, tuple[str, ...]] = {"torch": (), "paddle": ("linear",), "mxnet": ()}
# The framework whose native loader reads a format of weights_convert.formats.
FRAMEWORK_OF = {"safetensors": "torch", "pth": "torch", "pdparams": "paddle", "params": "mxnet"}


@dataclass(frozen=True)
class NativeName:
    """A parameter's name in a framework, and whether its two axes are swapped there."""

    name: str
    transposed: bool = False


def native_name(parameter: Parameter, framework: str) -> NativeName:
    """Raises KeyError for an unknown framework."""
    path, dot, leaf = parameter.name.rpartition(".")
    leaf = LEAVES[framework].get(parameter.kind, leaf)
    return NativeName(path + dot + leaf, parameter.kind in TRANSPOSED[framework])


def to_native(parameters: list[Parameter], state: Mapping[str, np.ndarray], framework: str) -> dict[str, np.ndarray]:
    """Canonical state -> the framework's names and layouts, in the inventory's order; views where nothing moves."""
    native: dict[str, np.ndarray] = {}
    for parameter in parameters:
        target = native_name(parameter, framework)
        if target.name in native:
            raise WeightsError(f"two parameters get the name {target.name!r} in {framework}")
        array = state[parameter.name]
        native[target.name] = array.T if target.transposed else array
    return native

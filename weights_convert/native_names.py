"""What each framework calls our own models' parameters, and which it stores transposed.

Attribute names are the same in every backend, so only the last component of a name and one layout differ; which, each
backend says in its `description.yaml` (`leaves` by kind of parameter, and `transposed`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.arch.inventory import Parameter
from core.description import descriptions
from core.errors import WeightsError


@dataclass(frozen=True)
class NativeName:
    """A parameter's name in a framework, and whether its two axes are swapped there."""

    name: str
    transposed: bool = False


def native_name(parameter: Parameter, backend: str) -> NativeName:
    """Raises KeyError for an unknown backend."""
    description = descriptions()[backend]
    path, dot, leaf = parameter.name.rpartition(".")
    leaf = description.leaves.get(parameter.kind, leaf)
    return NativeName(path + dot + leaf, parameter.kind in description.transposed)


def reader_of(format_name: str) -> str | None:
    """The backend whose framework's own loader reads a format of weights_convert.formats; None: canonical names."""
    for name, description in descriptions().items():
        if format_name in description.formats:
            return name
    return None


def to_native(
    parameters: list[Parameter], state: Mapping[str, np.ndarray], backend: str | None
) -> dict[str, np.ndarray]:
    """Canonical state -> the backend's names and layouts, in the inventory's order; views where nothing moves.

    backend: None for the canonical names.
    """
    if backend is None:
        return {parameter.name: state[parameter.name] for parameter in parameters}
    native: dict[str, np.ndarray] = {}
    for parameter in parameters:
        target = native_name(parameter, backend)
        if target.name in native:
            raise WeightsError(f"two parameters get the name {target.name!r} in {backend}")
        array = state[parameter.name]
        native[target.name] = array.T if target.transposed else array
    return native

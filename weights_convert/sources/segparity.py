"""Our own models: canonical names, and what each backend's framework calls the same parameters natively.

The maps are not rules but the network's own inventory (weights_convert.native_names), so they are complete by
construction. A checkpoint of a run also holds the optimizer's state, which is left out here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from core.arch import PRESETS, Spec
from core.description import descriptions
from weights_convert.native_names import native_name
from weights_convert.sources.rules import COUNTER, Assignment, Drop, Origin, Source, dropped_by, sampled

OPTIMIZER = Drop(r"optimizer\..*", "state of the optimizer of a training run")


@cache
def _paths(spec: Spec) -> frozenset[str]:
    """The layers that have parameters: names without the last component, which are the same in every framework."""
    return frozenset(parameter.name.rpartition(".")[0] for parameter in spec.parameters())


@lru_cache(maxsize=64)
def _native_names(spec: Spec, backend: str | None) -> dict[str, tuple[str, bool]]:
    """Native name -> (canonical name, transposed) of all parameters."""
    if backend is None:
        return {parameter.name: (parameter.name, False) for parameter in spec.parameters()}
    named = {parameter.name: native_name(parameter, backend) for parameter in spec.parameters()}
    return {native.name: (name, native.transposed) for name, native in named.items()}


@dataclass(frozen=True)
class NativeLayout:
    """The names a backend's framework gives to the models of this repository; without `backend` the canonical ones."""

    name: str
    backend: str | None = None
    presets: tuple[str, ...] = tuple(PRESETS)
    backbones: tuple[str, ...] = ()
    dropped: tuple[Drop, ...] = (OPTIMIZER, COUNTER)

    def assign(self, names: Iterable[str], spec: Spec) -> Assignment:
        result = Assignment()
        names, paths = tuple(names), _paths(spec)
        if not any(name.rpartition(".")[0] in paths for name in sampled(names)):
            result.unexpected.extend(names)
            return result
        known = _native_names(spec, self.backend)
        for name in names:
            if name in known:
                canonical, transposed = known[name]
                result.origins[canonical] = Origin(name, transposed)
            elif (reason := dropped_by(self.dropped, name)) is not None:
                result.dropped[name] = reason
            else:
                result.unexpected.append(name)
        return result


CANONICAL = NativeLayout("canonical")
NATIVE = tuple(
    NativeLayout(description.naming, backend) for backend, description in descriptions().items() if description.naming
)

SOURCE = Source("segparity", "models of this repository, canonical or native names", (CANONICAL, *NATIVE))

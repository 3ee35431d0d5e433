"""Our own models: canonical names, and what Paddle and Gluon call the same parameters natively.

The maps are not rules but the network's own inventory (weights_convert.native_names), so they are complete by
construction. A checkpoint of a run also holds the optimizer's state, which is left out here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from core.arch import PRESETS, Spec
from weights_convert.native_names import native_name
from weights_convert.sources.rules import COUNTER, Assignment, Drop, Origin, Source, dropped_by

OPTIMIZER = Drop(r"optimizer\..*", "state of the optimizer of a training run")


@lru_cache(maxsize=512)
def _native_names(spec: Spec, framework: str) -> dict[str, tuple[str, bool]]:
    """Native name -> (canonical name, transposed) of all parameters."""
    named = {parameter.name: native_name(parameter, framework) for parameter in spec.parameters()}
    return {native.name: (name, native.transposed) for name, native in named.items()}


@dataclass(frozen=True)
class NativeLayout:
    """The names a framework gives to the models of this repository."""

    name: str
    framework: str
    presets: tuple[str, ...] = tuple(PRESETS)
    dropped: tuple[Drop, ...] = (OPTIMIZER, COUNTER)

    def assign(self, names: Iterable[str], spec: Spec) -> Assignment:
        known = _native_names(spec, self.framework)
        result = Assignment()
        for name in names:
            if name in known:
                canonical, transposed = known[name]
                result.origins[canonical] = Origin(name, transposed)
            elif (reason := dropped_by(self.dropped, name)) is not None:
                result.dropped[name] = reason
            else:
                result.unexpected.append(name)
        return result


TORCH = NativeLayout("canonical", "torch")
PADDLE = NativeLayout("Paddle's native names", "paddle")
MXNET = NativeLayout("Gluon's structural names", "mxnet")

SOURCE = Source("segparity", "models of this repository, canonical or native names", (TORCH, PADDLE, MXNET))

"""Our own models: canonical names, and what each backend's framework calls the same parameters natively.

The maps are not rules but the network's own inventory (weights_convert.native_names), so they are complete by
construction. A checkpoint of a run also holds the optimizer's state, which is left out here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from core.arch import PRESETS, Spec
from core.description import descriptions
from weights_convert.native_names import native_name
from weights_convert.sources.rules import COUNTER, Assignment, Drop, Origin, Source, dropped_by, sampled

_FLAT = re.compile(r"(?P<kind>[a-z]+(?:\d[a-z]+)*)(?P<number>0|[1-9]\d{0,8})_(?P<leaf>[a-z_]+)", re.ASCII)
OPTIMIZER = Drop(r"optimizer\..*", "state of the optimizer of a training run")
AVERAGE = Drop(r"ema\..*", "the weights' moving average (--ema takes it)")


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
    dropped: tuple[Drop, ...] = (OPTIMIZER, AVERAGE, COUNTER)

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


# Architectures whose MXNet classes make layers in another order than the inventory's, or with names of their own: their
# exports do not say what is what. A test holds this list to the classes.
NOT_TOLD_BY_NUMBERS = frozenset({"danet", "denseaspp", "fapn", "gffnet", "semantic_fpn", "setr"})
Layer = dict[str, tuple[str, bool]]  # last component of a native name -> canonical name, transposed
Key = tuple[frozenset[str], bool]  # the last components of a layer's parameters, and whether it is fully connected


@lru_cache(maxsize=64)
def _layers(spec: Spec, backend: str) -> dict[Key, list[Layer]]:
    """The network's layers of each sort, in the inventory's order."""
    found: dict[str, Layer] = {}
    linear = set()
    for parameter in spec.parameters():
        native = native_name(parameter, backend)
        path, _, leaf = native.name.rpartition(".")
        found.setdefault(path, {})[leaf] = (parameter.name, native.transposed)
        if parameter.kind.startswith("linear"):
            linear.add(path)
    sorts: dict[Key, list[Layer]] = {}
    for path, layer in found.items():
        sorts.setdefault((frozenset(layer), path in linear), []).append(layer)
    return sorts


@dataclass(frozen=True)
class ExportedLayout:
    """The flat names that Gluon's `export()` and old `save_params()` write: a kind with a running number each.

    `conv12_weight` says nothing of where in the network it belongs, but the numbers count the layers of a kind as they
    were made, which is the inventory's order. A file is read so only if it has exactly as many layers of every sort as
    the network, those of a sort are all of one kind, and no name has a scope (`fcn0_conv3`), which other repositories'
    networks have. `NOT_TOLD_BY_NUMBERS` are not read.
    """

    name: str
    backend: str
    presets: tuple[str, ...] = tuple(name for name in PRESETS if PRESETS[name].spec.arch not in NOT_TOLD_BY_NUMBERS)
    backbones: tuple[str, ...] = ()

    def assign(self, names: Iterable[str], spec: Spec) -> Assignment:
        names, result = tuple(names), Assignment()
        found = None if any("." in name for name in sampled(names)) else _numbered(names)
        wanted = _layers(spec, self.backend) if found is not None else {}
        if found is None or {key: len(layers) for key, layers in found.items()} != {
            key: len(layers) for key, layers in wanted.items()
        }:
            result.unexpected.extend(names)
            return result
        for key, stems in found.items():
            for stem, layer in zip(stems, wanted[key]):
                for leaf, (canonical, transposed) in layer.items():
                    result.origins[canonical] = Origin(f"{stem}_{leaf}", transposed)
        return result


@lru_cache(maxsize=4)
def _numbered(names: tuple[str, ...]) -> dict[Key, list[str]] | None:
    """The stems of each sort of layer, by rising number; None if the names are not those of numbered layers."""
    leaves: dict[tuple[str, int], set[str]] = {}
    for name in names:
        found = _FLAT.fullmatch(name)
        if found is None:
            return None
        leaves.setdefault((found["kind"], int(found["number"])), set()).add(found["leaf"])
    sorts: dict[Key, list[str]] = {}
    kinds: dict[Key, str] = {}
    for (kind, number), having in sorted(leaves.items()):
        key = (frozenset(having), kind == "dense")
        if kinds.setdefault(key, kind) != kind:
            return None
        sorts.setdefault(key, []).append(f"{kind}{number}")
    return sorts


CANONICAL = NativeLayout("canonical")
NATIVE = tuple(
    NativeLayout(description.naming, backend) for backend, description in descriptions().items() if description.naming
)

EXPORTED = tuple(
    ExportedLayout("Gluon's export(), by the running numbers of its layers", backend)
    for backend, description in descriptions().items()
    if "params" in description.formats
)

SOURCE = Source("segparity", "models of this repository, canonical or native names", (CANONICAL, *NATIVE, *EXPORTED))

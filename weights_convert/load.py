"""Reading a weight file of any format and origin as the canonical state of a network."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.arch import PRESETS, Spec
from core.data.normalization import Normalize, read_normalization
from core.errors import WeightsError
from core.fold import fold_state
from core.schema import to_plain
from weights_convert.formats import Tensors, check_finite, read
from weights_convert.matching import Fit, NoFit, fit_to, identify
from weights_convert.prefixes import read_unwrapped, without_wrappers


@dataclass(frozen=True)
class LoadedWeights:
    """What `load_weights` found.

    state: canonical name -> float32 array (float64 stays), complete unless something was left out or is absent.
    left_out: names with another number of classes, "file's shape -> network's shape".
    absent: parameters the file does not have (auxiliary heads; all but the backbone's), which keep their values.
    dropped: the file's names that were left out on purpose, and why.
    notes: what a reader should know, one sentence each.
    normalization: how the pictures it was trained on were normalised (core.data.normalization), where that is known.
    """

    path: Path
    origin: str
    state: dict[str, np.ndarray]
    left_out: dict[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    dropped: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    normalization: str | Normalize | None = None

    def summary(self) -> str:
        """A few lines for people."""
        lines = [f"{self.path}: {len(self.state)} tensors of {self.origin}"]
        lines += [f"  left out, other number of classes: {name} {shapes}" for name, shapes in self.left_out.items()]
        if self.absent:
            heads = all(name.startswith("auxiliary.") for name in self.absent)
            what = "of the auxiliary heads" if heads else "tensors: the file holds the backbone alone"
            lines.append(f"  not in the file, kept as initialised: {len(self.absent)} {what}")
        lines += [f"  dropped: {reason}: {count} tensors" for reason, count in count_reasons(self.dropped).items()]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)


@dataclass(frozen=True)
class Imported:
    """A file read as a network of its own: what it is, and its canonical state (types as in the file).

    recognised: by what it is known to be that network.
    """

    path: Path
    tensors: Tensors
    fit: Fit
    also: tuple[str, ...]
    state: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()
    recognised: str = ""

    @property
    def spec(self) -> Spec:
        return self.fit.spec


def count_reasons(dropped: Mapping[str, str]) -> dict[str, int]:
    """Reason -> number of tensors dropped for it."""
    counts: dict[str, int] = {}
    for reason in dropped.values():
        counts[reason] = counts.get(reason, 0) + 1
    return counts


def open_tensors(path: str | os.PathLike[str], *, ema: bool = False) -> Tensors:
    """Reads the file and takes off the names what wrappers put before them.

    ema: the moving average that some training scripts keep beside the weights.
    """
    return without_wrappers(read(path, ema=ema))


def canonical_state(fit: Fit, tensors: Mapping[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """The fit's tensors by canonical name, in the network's order.

    Raises WeightsError for types that are no weights, and for values that are not finite.
    """
    state: dict[str, np.ndarray] = {}
    for parameter in fit.spec.parameters():
        if parameter.name not in fit.origins:
            continue
        origin = fit.origins[parameter.name]
        array = tensors[origin.name]
        if array.dtype.kind != "f":
            raise WeightsError(f"{where}: {origin.name} has the type {array.dtype}; weights are floating point")
        state[parameter.name] = array.T if origin.transposed else np.atleast_1d(array)
    try:
        check_finite({fit.origins[name].name: array for name, array in state.items()})
    except WeightsError as error:
        raise WeightsError(f"{where}: {error}") from None
    return state


def load_weights(
    path: str | os.PathLike[str],
    spec: Spec,
    *,
    origin: str | None = None,
    fine_tune: bool = False,
    ema: bool = False,
) -> LoadedWeights:
    """The weights in `path`, of any format and origin, for the network of `spec`.

    origin: a key of weights_convert.sources.SOURCES; recognised by the names when not given.
    fine_tune: tensors whose shape depends on the number of classes are left out where the file has another one, and
    auxiliary heads may be absent. Auxiliary heads that the network does not have are dropped in either case.
    ema: the moving average that some training scripts keep beside the weights.

    Raises WeightsError if the file cannot be read, or anything is missing, unexpected or of another shape.
    """
    path = Path(path)
    if spec.folded_norms:
        return _load_folded(path, spec, origin, fine_tune, ema)
    return _load(path, spec, origin, fine_tune, ema)


def _load_folded(path: Path, spec: Spec, origin: str | None, fine_tune: bool, ema: bool) -> LoadedWeights:
    """The weights of a network with folded batch norms, from a file with the norms folded or without."""
    try:
        return _load(path, spec, origin, fine_tune, ema)
    except NoFit as error:
        try:
            loaded = _load(path, dataclasses.replace(spec, folded_norms=()), origin, fine_tune, ema)
        except WeightsError:
            raise error from None
        note = "its batch norms are folded into the convolutions before them, as the network asks"
        return dataclasses.replace(loaded, state=fold_state(spec, loaded.state), notes=(*loaded.notes, note))


def _load(path: Path, spec: Spec, origin: str | None, fine_tune: bool, ema: bool) -> LoadedWeights:
    tensors = open_tensors(path, ema=ema)
    tensors, (fit, classes) = read_unwrapped(
        tensors, str(path), lambda named: fit_to(named, spec, str(path), origin=origin, fine_tune=fine_tune)
    )
    state = canonical_state(fit, tensors, str(path))
    own = {parameter.name: parameter.shape for parameter in spec.parameters()}
    left_out = {name: f"{state.pop(name).shape} -> {own[name]}" for name in classes if name in state}
    absent = tuple(name for name in own if name not in state and name not in left_out)
    return LoadedWeights(
        path,
        f"{fit.source.name} ({fit.layout.name})",
        {name: _as_float(array) for name, array in state.items()},
        left_out,
        absent,
        fit.dropped,
        (*tensors.notes, *_differences(fit, tensors, spec), *_epsilons_differ(tensors, spec)),
        normalization_of(fit, tensors),
    )


def normalization_of(fit: Fit, tensors: Tensors) -> str | Normalize | None:
    """What the file's metadata says of its pictures, else what is known of the origin's; None where nothing is."""
    said = read_normalization(tensors.metadata.get("normalization"))
    if said is not None:
        return said
    shapes = {name: tensors[origin.name].shape for name, origin in fit.origins.items() if origin.name in tensors}
    return fit.source.normalization_for(fit.spec, fit.spec.infer_classes(shapes))


def _as_float(array: np.ndarray) -> np.ndarray:
    """float64 as it is, everything else as contiguous float32."""
    return np.ascontiguousarray(array, dtype=np.float64 if array.dtype == np.float64 else np.float32)


def _differences(fit: Fit, tensors: Tensors, spec: Spec) -> list[str]:
    """A warning where the network is none of those the file's origin has, in numbers that shapes do not show."""
    if fit.source.name == "segparity":
        preset = tensors.metadata.get("preset", "")
        candidates = [preset] if preset in PRESETS and "overrides" not in tensors.metadata else []
    else:
        candidates = [name for name in fit.layout.presets if PRESETS[name].spec.arch == spec.arch]
    if not candidates:
        return []
    gaps = {name: _unlike(spec, PRESETS[name].spec) for name in candidates}
    nearest_preset = min(gaps, key=lambda name: len(gaps[name]))
    if not gaps[nearest_preset]:
        return []
    fields = ", ".join(gaps[nearest_preset])
    return [f"the network differs from preset {nearest_preset} of that origin in {fields}: is that meant?"]


def _epsilons_differ(tensors: Tensors, spec: Spec) -> list[str]:
    """A warning where the graph beside the weights computes its batch norms with other epsilons than the network."""
    told = {f"{float(text):.3g}" for text in tensors.facts.get("epsilons", "").split()}
    own = {f"{fold.eps:.3g}" for fold in spec.inventory().foldable}
    if not told or not own or told == own:
        return []
    said, has = (", ".join(sorted(values, key=float)) for values in (told, own))
    return [
        f"WARNING: the symbol's batch norms have epsilon {said}, the network's {has}: outputs will differ; say "
        f"`overrides: {{backbone: {{norm: {{eps: {sorted(told, key=float)[0]}}}}}}}`, or the like of its other norms"
    ]


def _unlike(one: Spec, other: Spec) -> list[str]:
    """Fields in which two specs differ, other than class count, auxiliary heads and initialisers."""
    if type(one) is not type(other):
        return ["arch"]
    skipped = ("num_classes", "auxiliary", "init")
    names = [field.name for field in dataclasses.fields(one) if field.name not in skipped]
    found = []
    for name in names:
        mine, theirs = to_plain(getattr(one, name)), to_plain(getattr(other, name))
        if isinstance(mine, dict) and isinstance(theirs, dict):
            found += [f"{name}.{key}" for key in mine if mine[key] != theirs.get(key)]
        elif mine != theirs:
            found.append(name)
    return [name for name in found if name not in ("backbone.image_size", "p", "q", "decoder", "last_skip")]


def import_weights(
    path: str | os.PathLike[str],
    *,
    origin: str | None = None,
    preset: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    ema: bool = False,
) -> Imported:
    """The weights in `path` and the network they belong to, found by names, shapes and (for our own files) metadata.

    ema: the moving average that some training scripts keep beside the weights.

    Raises WeightsError as `identify` does.
    """
    return recognise(Path(path), open_tensors(path, ema=ema), origin=origin, preset=preset, overrides=overrides)


def recognise(
    path: Path,
    tensors: Tensors,
    *,
    origin: str | None = None,
    preset: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Imported:
    """The network that tensors belong to, and its state (see `import_weights`). Raises WeightsError."""
    facts = tensors.facts
    how = [f"--from {origin}"] if origin else []
    how += [f"--arch {preset}"] if preset else []
    if preset is None and origin in (None, "segparity") and tensors.metadata.get("preset") in PRESETS:
        origin, preset, how = "segparity", tensors.metadata["preset"], ["the file's own metadata"]
        overrides = {**_overrides_in(path, tensors), **(overrides or {})}
    elif preset is None and facts.get("preset") in PRESETS and origin in (None, facts["origin"]):
        origin, preset, how = facts["origin"], facts["preset"], [f"{facts['kind']}: {facts['said']}"]
    try:
        tensors, (fit, also) = read_unwrapped(
            tensors,
            str(path),
            lambda named: identify(named, str(path), origin=origin, preset=preset, overrides=overrides),
        )
    except NoFit as error:
        if not facts.get("preset") or facts["preset"] != preset:
            raise
        said = f"{path}: says that it is {facts['said']}, and its tensors are not those of {preset}\n"
        raise NoFit(f"{said}{error}", error.matched) from error
    _check_facts(path, facts, fit)
    names = tuple(f"{other.source.name} ({other.layout.name})" for other in also)
    said_by = " and ".join([*how, "the names and shapes of all tensors"])
    notes = (*tensors.notes, *_epsilons_differ(tensors, fit.spec))
    return Imported(path, tensors, fit, names, canonical_state(fit, tensors, str(path)), notes, said_by)


def _check_facts(path: Path, facts: Mapping[str, str], fit: Fit) -> None:
    """Raises WeightsError where a file beside the weights says another number of classes than they have."""
    classes = facts.get("num_classes")
    if classes is not None and int(classes) != fit.spec.num_classes:
        raise WeightsError(
            f"{path}: says num_classes {classes}, and its classifier has {fit.spec.num_classes} outputs: the two do "
            "not belong together"
        )


def _overrides_in(path: Path, tensors: Tensors) -> dict[str, Any]:
    try:
        found = json.loads(tensors.metadata.get("overrides", "{}"))
    except json.JSONDecodeError as error:
        raise WeightsError(f"{path}: its metadata 'overrides' is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise WeightsError(f"{path}: its metadata 'overrides' is no mapping")
    return found

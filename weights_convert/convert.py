"""Writing a network's weights for a framework: native names and layouts, and metadata where the format holds it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from core.data import DATASETS, label_space
from core.data.normalization import NORMALIZATIONS, read_normalization
from core.errors import DataError, WeightsError
from core.fold import fold as fold_norms
from core.schema import to_plain
from core.tensors import listing, raw_bytes
from weights_convert.as_is import relaid
from weights_convert.formats import Tensors, format_of, read, write
from weights_convert.load import Imported, import_weights, normalization_of
from weights_convert.mapping import apply_map
from weights_convert.native_names import reader_of, to_native

KEPT = ("dataset", "classes", "normalization", "config")  # of the source's metadata, where it has them


def checksum(state: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, types, shapes and bytes of the canonical state, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        array = state[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(raw_bytes(array))
    return digest.hexdigest()


def tool_version() -> str:
    try:
        return version("segparity")
    except PackageNotFoundError:
        return "not installed"


def metadata_of(
    imported: Imported,
    dataset: str | None = None,
    normalization: str | None = None,
    dataset_options: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """What a converted file says about itself: the network, the data, where the weights come from.

    dataset_options: those of the data set's class, where they decide the classes. A file that names the same data set
    already keeps its own classes without them.

    Raises WeightsError if the network has fewer outputs than the data set has classes, for options that the data set
    has not, and for a normalisation that is not known.
    """
    source, spec = imported.tensors.metadata, imported.spec
    metadata = {key: source[key] for key in KEPT if key in source}
    if dataset is not None and (dataset_options or metadata.get("dataset") != dataset or "classes" not in metadata):
        metadata["dataset"] = dataset
        metadata.pop("classes", None)
        if dataset in DATASETS:
            try:
                classes = label_space(dataset, dataset_options or {}).classes
            except DataError as error:
                raise WeightsError(str(error)) from error
            if len(classes) > spec.num_classes:
                raise WeightsError(
                    f"data set {dataset} has {len(classes)} classes, the network {spec.num_classes} outputs"
                )
            metadata["classes"] = json.dumps(classes)
    said = normalization_of(imported.fit, imported.tensors) if normalization is None else normalization
    if normalization is not None and read_normalization(normalization) is None:
        raise WeightsError(
            f"--normalization {normalization}: expected one of {', '.join(NORMALIZATIONS)}, or JSON such as "
            '{"mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]}'
        )
    if said is not None:
        metadata["normalization"] = json.dumps(to_plain(read_normalization(said) if isinstance(said, str) else said))
    origin = source.get("origin") if imported.fit.source.name == "segparity" else None
    return metadata | {
        "format": "segparity",
        "preset": imported.fit.preset,
        "overrides": json.dumps(to_plain(imported.fit.overrides)),
        "num_classes": str(spec.num_classes),
        "spec": json.dumps(to_plain(spec)),
        "origin": origin or f"{imported.fit.source.name} ({imported.fit.layout.name})",
        "tool": f"segparity {tool_version()}",
        "checksum": checksum(imported.state),
    }


def write_native(
    path: str | os.PathLike[str], spec: Any, state: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> list[str]:
    """Writes canonical `state` in the format of the path's extension, named and laid out as that framework wants it.

    Returns notes on what the format cannot hold. Raises WeightsError as `formats.write` does.
    """
    backend = reader_of(format_of(path).name)
    return write(path, Tensors(to_native(spec.parameters(), state, backend), dict(metadata)))


def convert_as_is(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    ema: bool = False,
    layout: str | None = None,
    map_file: Path | None = None,
) -> tuple[Tensors, dict[str, str], dict[str, str], list[str]]:
    """Reads `source` and writes it to `target` under the same names; no network need be known.

    layout: a backend whose conventions the result is to follow: names of leaves and the axes of fully connected layers
    (weights_convert.as_is). map_file: a map of names (weights_convert.name_map). Without either, names and layouts are
    kept. Scalars, which an MXNet list cannot hold, get the shape (1,) there.

    Returns what was read, source name -> name in the target, what was dropped and why, and notes. Raises WeightsError.
    """
    target = _checked_target(target)
    tensors = read(source, ema=ema)
    notes: list[str] = []
    arrays, names, dropped = tensors.arrays, {name: name for name in tensors}, dict[str, str]()
    if map_file is not None:
        arrays, names, dropped, notes = apply_map(tensors, map_file, str(source))
    elif layout is not None:
        arrays, names, notes = relaid(tensors, layout, str(source))
    scalars = [name for name, array in arrays.items() if not array.ndim]
    if scalars and format_of(target).name == "params":
        arrays = {name: array.reshape(array.shape or (1,)) for name, array in arrays.items()}
        notes.append(f"an MXNet list holds no scalars; these got the shape (1,): {listing(scalars)}")
    same = layout is None and map_file is None
    written = replace(tensors, arrays=arrays) if same else Tensors(arrays, tensors.metadata)
    return tensors, names, dropped, [*notes, *write(target, written)]


def _checked_target(target: str | os.PathLike[str]) -> Path:
    """The path to write to; refuses an unknown extension and a missing directory before anything is read."""
    target = Path(target)
    format_of(target)
    if not target.parent.is_dir():
        raise WeightsError(f"{target}: the directory {target.parent} does not exist")
    return target


@dataclass(frozen=True)
class Conversion:
    """What a conversion did. `written`: the network as it was written, with its batch norms folded where asked."""

    imported: Imported
    written: Imported
    metadata: dict[str, str]
    notes: list[str]


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    origin: str | None = None,
    preset: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    dataset: str | None = None,
    normalization: str | None = None,
    dataset_options: Mapping[str, Any] | None = None,
    ema: bool = False,
    fold: bool = False,
) -> Conversion:
    """Reads `source` as the network it belongs to and writes it to `target`, complete or not at all.

    fold: batch norms are folded into the convolutions before them (core.fold). Raises WeightsError.
    """
    target = _checked_target(target)
    imported = import_weights(source, origin=origin, preset=preset, overrides=overrides, ema=ema)
    written = folded(imported) if fold else imported
    metadata = metadata_of(written, dataset, normalization, dataset_options)
    if fold and "config" in metadata:  # of a run: it names the network with its batch norms
        del metadata["config"]
    notes = write_native(target, written.spec, written.state, metadata)
    if fold:
        gone = len(written.spec.folds()) - len(imported.spec.folds())
        left = sum(parameter.kind == "running_var" for parameter in written.spec.parameters())
        notes.append(f"{gone} batch norms are folded into convolutions" + (f", {left} cannot be" if left else ""))
    return Conversion(imported, written, metadata, notes)


def convert_file(
    source: str | os.PathLike[str], target: str | os.PathLike[str], **options: Any
) -> tuple[Imported, list[str]]:
    """`convert`: what was read, and notes on what is different in the target."""
    done = convert(source, target, **options)
    return done.imported, done.notes


def folded(imported: Imported) -> Imported:
    """The same with every batch norm folded that can be."""
    spec, state = fold_norms(imported.spec, imported.state)
    overrides = imported.fit.overrides | {"folded_norms": list(spec.folded_norms)}
    return replace(imported, fit=replace(imported.fit, spec=spec, overrides=overrides), state=state)

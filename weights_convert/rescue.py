"""One conversion as a whole: the weights, in a folder also the configuration to run them with, and the proof."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core.config import load_config
from core.data import DATASETS
from core.data.normalization import Normalize, read_normalization
from core.description import backend_names
from core.errors import OutputError, WeightsError
from core.files import require_folder, write_text
from core.schema import to_plain
from core.tensors import Tensors
from weights_convert.convert import Conversion, convert, convert_as_is
from weights_convert.formats import FORMATS, read
from weights_convert.inspection import file_facts
from weights_convert.load import Imported
from weights_convert.proof import renamed, write_proof
from weights_convert.verify import Verification, verify

WEIGHTS, CONFIG, PROOF = "model", "config.yaml", "proof"  # names in a folder
ROUNDED_TO = 8  # the cloud job rounds its crop up to a multiple of this


@dataclass(frozen=True)
class Target:
    """Where a conversion's files go.

    weights: the file. beside: the proof's two files are called like it, with their extensions. config: None where only
    a file was asked for.
    """

    weights: Path
    beside: Path
    config: Path | None = None


@dataclass(frozen=True)
class Rescued:
    """What was written."""

    target: Target
    tensors: Tensors
    imported: Imported | None
    notes: list[str]
    proof: tuple[Path, Path]
    verification: Verification | None = None


def target_of(text: str, extension: str | None) -> Target:
    """What DST means: a file by its extension; a folder where there is one, or the name has none or ends in a slash.

    extension: of the weights in a folder, `--format`. Raises WeightsError.
    """
    path = weight_path(text)
    suffix = f".{extension.lower().lstrip('.')}" if extension else ".safetensors"
    if extension and suffix not in FORMATS:
        raise WeightsError(f"--format {extension}: there are {', '.join(name.lstrip('.') for name in FORMATS)}")
    if path.is_dir() or text.endswith("/") or not path.suffix:
        return Target(path / f"{WEIGHTS}{suffix}", path / PROOF, path / CONFIG)
    if extension:
        raise WeightsError(f"--format is for a folder; the format of {path} is told by its extension")
    return Target(path, path.with_name(f"{path.name}.{PROOF}"))


def weight_path(text: str) -> Path:
    """The path, a leading ~ expanded. Raises WeightsError for the home of a user there is not."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise WeightsError(f"{text}: there is no such home directory") from error


def rescue(source: Path, target: Target, *, verified: bool = False, **options: Any) -> Rescued:
    """Converts a known network (`options` as `convert_file` takes them) and proves it. Raises WeightsError."""
    with _Folder(target), ThreadPoolExecutor(1) as beside:
        hashed = beside.submit(file_facts, source, ()) if source.is_file() else None  # while the file is converted
        done = convert(source, target.weights, **options)
        imported, fold = done.imported, options.get("fold", False)
        normalization = read_normalization(done.metadata.get("normalization"))
        if target.config is not None:
            write_text(target.config, configuration(done, target, normalization))
        found = verify(imported, target.weights, fold=fold) if verified else None
        notes = [*imported.notes, *done.notes]
        proof = write_proof(
            target.weights,
            target.beside,
            source,
            imported.tensors,
            imported=imported,
            written=done.written,
            normalization=normalization,
            notes=notes,
            verification=found,
            hashed=hashed,
        )
    return Rescued(target, imported.tensors, imported, notes, proof, found)


def rescue_as_is(
    source: Path, target: Target, *, ema: bool = False, layout: str | None = None, map_file: Path | None = None
) -> Rescued:
    """Moves any network to another format, under its own names or a map's, and proves it. Raises WeightsError."""
    with _Folder(target):
        tensors, moved, dropped, notes = convert_as_is(
            source, target.weights, ema=ema, layout=layout, map_file=map_file
        )
        said = read_normalization(tensors.metadata.get("normalization"))
        written = {name: array.shape for name, array in read(target.weights).items()}
        map_ = renamed(tensors.arrays, moved, written)
        notes = [*tensors.notes, *notes]
        proof = write_proof(
            target.weights, target.beside, source, tensors, map_=map_, dropped=dropped, normalization=said, notes=notes
        )
    return Rescued(target, tensors, None, notes, proof)


class _Folder:
    """Makes the folder that is asked for; it is taken away again where nothing came of it."""

    def __init__(self, target: Target) -> None:
        self.folder = target.weights.parent if target.config is not None else None
        self.new = self.folder is not None and not self.folder.exists()

    def __enter__(self) -> None:
        if self.folder is not None:
            require_folder(self.folder, "DST")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None and self.new and self.folder is not None and not any(self.folder.iterdir()):
            self.folder.rmdir()


def configuration(done: Conversion, target: Target, normalization: str | Normalize | None) -> str:
    """A configuration to evaluate and predict with: the network, how its pictures are normalised, what is known of its
    training. Raises OutputError if it could not be read back."""
    imported, metadata = done.imported, done.metadata
    facts, spec = imported.tensors.facts, imported.spec
    weights, config = target.weights, target.config
    settings: dict[str, Any] = {
        "model": {
            "preset": imported.fit.preset,
            "num_classes": spec.num_classes,
            "overrides": json.loads(metadata["overrides"]),
        },
        "data": _data(metadata, spec.num_classes),
    }
    transform: dict[str, Any] = {}
    if normalization is not None:
        transform["normalize"] = to_plain(normalization)
    if "crop_size" in facts:
        side = -(-int(facts["crop_size"]) // ROUNDED_TO) * ROUNDED_TO
        transform["crop"] = [side, side]
    if transform:
        settings["transform"] = transform
    name = backend_names()[0]
    lines = [
        f"# {imported.fit.label}, from {imported.path.name}",
        f"#   python -m backends.{name}.predict --cfg {config} --weights {weights} PICTURE --out segmented/",
        f"#   python -m backends.{name}.eval --cfg {config} --weights {weights} --set data.root=PATH",
        "# Any of the backends; `data` says where labelled pictures lie and what their classes are called.",
    ]
    lines += [f"# {facts['kind']}: {facts['said']}"] if facts else []
    body = yaml.safe_dump(settings, sort_keys=False, default_flow_style=None, width=100)
    text = "\n".join(lines) + "\n" + body
    try:
        load_config(None, text=text, where=str(config))
    except Exception as error:
        raise OutputError(f"{config}: the configuration of these weights cannot be read back: {error}") from error
    return text


def _data(metadata: Mapping[str, str], classes: int) -> dict[str, Any]:
    """The data set that the weights name, or one in a folder, with classes to be named."""
    if metadata.get("dataset") in DATASETS:
        return {"dataset": metadata["dataset"]}
    names = json.loads(metadata["classes"]) if "classes" in metadata else [f"class {i}" for i in range(classes)]
    return {"dataset": "folder", "options": {"classes": names, "images": "images/*", "labels": "labels/*"}}

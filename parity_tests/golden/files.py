"""Golden files: what they hold, and the recipe by which parameters and inputs are made again."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import safetensors
from core.errors import WeightsError
from weights_convert.formats import Tensors

MODES = ("eval", "train")
RUNNING = ("running_mean", "running_var", "_mean", "_variance")
_NEEDED = ("source", "model", "parameters", "inputs", "stride", "outputs")


@dataclass(frozen=True)
class Golden:
    """A golden file: the original's names and shapes, its inputs and what it computed.

    `call` says how the original was built, `notes` what a reader has to know; of the outputs every `stride`-th row and
    column was kept; `shapes`: theirs in full.
    """

    path: Path
    source: str
    model: str
    call: str
    notes: str
    parameters: list[tuple[str, tuple[int, ...]]]
    stats: dict[str, np.ndarray]
    inputs: dict[str, tuple[tuple[int, ...], int]]
    stride: int
    shapes: dict[str, list[tuple[int, ...]]]
    outputs: dict[str, list[np.ndarray]]

    @property
    def label(self) -> str:
        return f"{self.source}/{self.model}"


def read_golden(path: Path) -> Golden:
    """Raises WeightsError if the file is not a golden file."""
    try:
        arrays = safetensors.load(path)
        text = arrays.metadata
        facts = {key: json.loads(text[key]) for key in _NEEDED}
        remarks = {key: str(json.loads(text.get(key, '""'))) for key in ("call", "notes")}
        return Golden(
            path,
            facts["source"],
            facts["model"],
            remarks["call"],
            remarks["notes"],
            [(name, tuple(shape)) for name, shape in facts["parameters"]],
            {key.removeprefix("stats/"): array for key, array in arrays.items() if key.startswith("stats/")},
            {mode: (tuple(facts["inputs"][mode]["shape"]), facts["inputs"][mode]["seed"]) for mode in MODES},
            facts["stride"],
            {mode: [tuple(shape) for shape in facts["outputs"][mode]] for mode in MODES},
            {mode: [arrays[f"{mode}/{i}"] for i in range(len(facts["outputs"][mode]))] for mode in MODES},
        )
    except (WeightsError, KeyError, ValueError, TypeError) as error:
        raise WeightsError(f"{path}: is no golden file ({type(error).__name__}: {error})") from error


def make_parameter(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The value the golden files' recipe gives to a parameter of that name and shape, as float32."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    leaf = name.split(".")[-1]
    if len(shape) > 1:
        return (rng.standard_normal(shape) * math.sqrt(2.0 / math.prod(shape[1:]))).astype(np.float32)
    if leaf in ("weight", "gamma"):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return (rng.standard_normal(shape) * 0.1).astype(np.float32)


def make_parameters(golden: Golden) -> Tensors:
    """All parameters of the original, by its own names."""
    arrays: dict[str, np.ndarray] = {}
    for name, shape in golden.parameters:
        if name in golden.stats:
            arrays[name] = golden.stats[name]
        elif name.split(".")[-1] in RUNNING:
            raise WeightsError(f"{golden.path}: the running statistics {name} are not in the file")
        else:
            arrays[name] = make_parameter(name, shape)
    return Tensors(arrays)


def make_input(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """The network input, [N, 3, H, W] float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The safetensors files given, and those in folders given. Raises WeightsError for a path that is not there."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(path.rglob("*.safetensors"))
        elif path.exists():
            files.append(path)
        else:
            raise WeightsError(f"{path}: no such file or folder")
    if not files:
        raise WeightsError(f"no golden files in {', '.join(map(str, paths))}")
    return files

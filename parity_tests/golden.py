"""The backends against the originals: `python -m parity_tests.golden PATH… [--backends torch,paddle,mxnet]`.

A golden file (safetensors) holds what an original implementation computes, but no weights: every parameter is a
function of its own name and shape, batch-norm statistics stand in the file, and the input is a function of shape and
seed. Here the parameters are made again under the original's names, imported through `weights_convert.sources`, loaded
into each backend, and the outputs compared, in inference mode and in training mode (batch statistics, dropout off).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from core.description import backend_names
from core.errors import SegParityError, WeightsError
from core.process import BackendFailed, BackendMissing
from parity_tests.client import Backend
from parity_tests.tolerances import golden_tolerance
from weights_convert.formats import Tensors
from weights_convert.load import canonical_state
from weights_convert.matching import Fit, identify

MODES = ("eval", "train")
RUNNING = ("running_mean", "running_var", "_mean", "_variance")

# A golden file's `source` -> the origin of its names.
ORIGINS = {
    "GALD-Net": "gald-net",
    "Fast_Seg": "fast_seg",
    "ESPNet": "espnet",
    "SemSegPaddle": "semsegpaddle",
    "MXNetSeg": "mxnetseg",
    "mmseg": "mmseg",
    "PaddleSeg": "paddleseg",
}
# Originals that resize their logits to the picture themselves; the others return them as they are.
RESIZES = ("SemSegPaddle", "MXNetSeg", "PaddleSeg")
IN_FLOAT64 = ("MXNetSeg",)

_SMALL_VIT = {"backbone": {"width": 96, "depth": 6, "heads": 4, "taps": [3, 4, 5, 6]}}
_UP = {"width": 256, "upsample": 4, "dropout": {"p": 0.0}}


def _small_setr(kernel: int) -> dict[str, Any]:
    return {**_SMALL_VIT, "auxiliary": [{"tap": f"block{n}", "kernel": kernel, **_UP} for n in (3, 4, 5)]}


# What names and shapes do not show, from the files' own notes: (source, model) -> overrides of the preset.
FACTS: dict[tuple[str, str], dict[str, Any]] = {
    ("mmseg", "setr_naive"): _small_setr(1),
    ("mmseg", "setr_pup"): _small_setr(3),
    ("mmseg", "setr_mla"): _SMALL_VIT,
    ("PaddleSeg", "setr_naive_vit_base"): {
        "backbone": {"width": 768, "depth": 12, "heads": 12, "taps": [3, 6, 9, 12]},
        "auxiliary": [
            {"tap": f"block{n}", "width": 256, "kernel": 1, "bias": True, "dropout": {"p": 0.0}} for n in (3, 6, 9)
        ],
    },
}

# Originals of these architectures that no spec describes, and why.
LEFT_OUT: dict[tuple[str, str], str] = {
    ("PaddleSeg", "espnetv1"): "another network than ESPNet: block means of the picture instead of strided pools, "
    "projections before the decoder, PReLUs of one slope, and it works with 19 classes only",
    ("PaddleSeg", "setr_pup_vit_base"): "its deepest map is normalised twice, for the main and the auxiliary head, and "
    "the decoder aligns corners otherwise than the final resize",
    ("PaddleSeg", "setr_mla_vit_base"): "one norm and one pair of convolutions serve all levels, the classifier is 3x3 "
    "and takes the levels in the opposite order",
}


@dataclass(frozen=True)
class Golden:
    """A golden file: the original's names and shapes, its inputs and what it computed."""

    path: Path
    source: str
    model: str
    parameters: list[tuple[str, tuple[int, ...]]]
    stats: dict[str, np.ndarray]
    inputs: dict[str, tuple[tuple[int, ...], int]]
    stride: int
    shapes: dict[str, list[tuple[int, ...]]]
    outputs: dict[str, list[np.ndarray]]


def read_golden(path: Path) -> Golden:
    """Raises WeightsError if the file is not a golden file."""
    try:
        with safe_open(str(path), "numpy") as file:
            text = file.metadata() or {}
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        facts = {key: json.loads(text[key]) for key in ("source", "model", "parameters", "inputs", "stride", "outputs")}
        return Golden(
            path,
            facts["source"],
            facts["model"],
            [(name, tuple(shape)) for name, shape in facts["parameters"]],
            {key.removeprefix("stats/"): array for key, array in arrays.items() if key.startswith("stats/")},
            {mode: (tuple(facts["inputs"][mode]["shape"]), facts["inputs"][mode]["seed"]) for mode in MODES},
            facts["stride"],
            {mode: [tuple(shape) for shape in facts["outputs"][mode]] for mode in MODES},
            {mode: [arrays[f"{mode}/{i}"] for i in range(len(facts["outputs"][mode]))] for mode in MODES},
        )
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
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


def find_network(golden: Golden) -> Fit:
    """The preset the original's names and shapes fit. Raises WeightsError if there is none."""
    origin = ORIGINS.get(golden.source)
    key = (golden.source, golden.model)
    if origin is None:
        raise WeightsError(f"{golden.path}: source {golden.source!r} is no known origin: {', '.join(ORIGINS)}")
    if key in LEFT_OUT:
        raise WeightsError(f"{golden.path}: left out: {LEFT_OUT[key]}")
    shapes = {name: np.broadcast_to(np.float32(0), shape) for name, shape in golden.parameters}
    if key in FACTS:
        try:
            return identify(shapes, str(golden.path), origin=origin, overrides=FACTS[key])[0]
        except WeightsError:
            pass  # the same model in its published size
    return identify(shapes, str(golden.path), origin=origin)[0]


@dataclass(frozen=True)
class Comparison:
    """One output of one backend against the original's."""

    name: str
    largest: float
    relative: float
    tolerance: float
    note: str = ""

    @property
    def passed(self) -> bool:
        return not self.note and self.relative <= self.tolerance  # False for NaN


def compare(
    name: str, ours: np.ndarray | None, theirs: np.ndarray, shape: tuple[int, ...], stride: int, tolerance: float
) -> Comparison:
    """`ours` in full against every `stride`-th row and column of `theirs`; `shape` is theirs in full."""
    if ours is None:
        return Comparison(name, math.nan, math.nan, tolerance, "the network has no such output")
    if ours.shape != shape:
        return Comparison(name, math.nan, math.nan, tolerance, f"is {ours.shape}, the original's {shape}")
    sampled = ours[..., ::stride, ::stride] if ours.ndim == 4 else ours
    difference = float(np.max(np.abs(sampled.astype(np.float64) - theirs)))
    scale = float(np.max(np.abs(theirs)))
    return Comparison(name, difference, difference / scale if scale else math.inf, tolerance)


def plan_outputs(golden: Golden, mode: str) -> list[tuple[int, tuple[int, int] | None]]:
    """For each recorded output: which of our logits it is, and the size the original resized it to, if it did."""
    shapes = golden.shapes[mode]
    if golden.source == "mmseg" and mode == "eval":  # the main head's logits, then the same resized to the picture
        return [(0, None), (0, (shapes[1][2], shapes[1][3]))][: len(shapes)]
    resizes = golden.source in RESIZES
    height, width = golden.inputs[mode][0][2:]
    return [(i, (height, width) if resizes else None) for i in range(len(shapes))]


@dataclass
class Job:
    """A golden file ready to be run: its network, and the state in a file that the workers share."""

    golden: Golden
    fit: Fit
    state: Path


def run_mode(backend: Backend, job: Job, mode: str, dtype: str) -> list[Comparison]:
    """The comparisons of one file in one mode in one backend."""
    golden, spec = job.golden, job.fit.spec
    tolerance = golden_tolerance(job.fit.preset, recorded_in_float64=golden.source in IN_FLOAT64, dtype=dtype)
    backend.request(
        "build",
        preset=job.fit.preset,
        overrides=job.fit.overrides,
        num_classes=spec.num_classes,
        dtype=dtype,
        dropout=mode == "eval",
    )
    backend.request("load", job.state)
    shape, seed = golden.inputs[mode]
    x = make_input(shape, seed).astype(dtype)
    plan = plan_outputs(golden, mode)
    computed: dict[tuple[int, tuple[int, int] | None], np.ndarray] = {}
    for size in dict.fromkeys(size for _, size in plan):
        heads = 1 + len(spec.auxiliary)
        _, arrays = backend.request(
            "forward",
            {"x": x},
            train=mode == "train",
            sizes=None if size is None else [size] * heads,
            align_corners=spec.align_corners,
        )
        computed |= {(i, size): arrays[f"out/{i}"] for i in range(heads)}
    backend.request("free")
    return [
        compare(f"{mode}/{i}", computed.get(source), theirs, golden.shapes[mode][i], golden.stride, tolerance)
        for i, (source, theirs) in enumerate(zip(plan, golden.outputs[mode]))
    ]


@dataclass
class Result:
    """What a run of the command found."""

    compared: int = 0
    failed: int = 0
    files: int = 0
    without_preset: list[str] = field(default_factory=list)
    missing_backends: list[str] = field(default_factory=list)


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


def prepare(files: Sequence[Path], folder: Path, result: Result) -> Iterator[Job]:
    """Each file's network and state, one on the disk at a time; files without a preset are noted in `result`."""
    for path in files:
        golden = read_golden(path)
        try:
            fit = find_network(golden)
        except WeightsError as error:
            result.without_preset.append(f"{golden.source}/{golden.model}: {str(error).splitlines()[0]}")
            continue
        state = folder / "state.safetensors"
        arrays = canonical_state(fit, make_parameters(golden), str(path))
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, state)
        del arrays
        result.files += 1
        yield Job(golden, fit, state)
        state.unlink()


def run_file(backend: Backend, job: Job, dtype: str, result: Result) -> None:
    """Compares one file in one backend and prints a line for each output."""
    golden = job.golden
    chosen = dtype if dtype != "auto" else ("float64" if golden.source in IN_FLOAT64 else "float32")
    label = f"{golden.source}/{golden.path.stem}"
    for mode in MODES:
        try:
            comparisons = run_mode(backend, job, mode, chosen)
        except BackendFailed as error:
            result.compared += 1
            result.failed += 1
            print(f"FAIL  {label:34s} {backend.name:6s} {mode}: {error}", flush=True)
            continue
        for found in comparisons:
            result.compared += 1
            result.failed += not found.passed
            verdict = "ok  " if found.passed else "FAIL"
            figures = found.note or (
                f"largest {found.largest:.2e}, relative {found.relative:.2e}, tolerance {found.tolerance:.1e}"
            )
            print(f"{verdict}  {label:34s} {backend.name:6s} {found.name:8s} {chosen}  {figures}", flush=True)


def check(paths: Sequence[Path], backends: Sequence[str], dtype: str) -> Result:
    """Runs every file in every backend. Raises SegParityError for unreadable files."""
    result = Result()
    running: list[Backend] = []
    try:
        for name in backends:
            try:
                running.append(Backend(name).__enter__())
            except BackendMissing as error:
                result.missing_backends.append(name)
                print(f"SKIPPED  {error}", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="segparity-golden-") as folder:
            for job in prepare(find_files(paths), Path(folder), result):
                for backend in running:
                    run_file(backend, job, dtype, result)
    finally:
        for backend in running:
            backend.close()
    return result


def parser() -> argparse.ArgumentParser:
    command = argparse.ArgumentParser(
        prog="python -m parity_tests.golden",
        description="Compares the backends with what the original implementations computed. Status 1 if an output is "
        "beyond tolerance, a file has no preset or a backend asked for is missing.",
    )
    command.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="golden files, or folders of them")
    command.add_argument("--backends", help="comma-separated (default: all that are installed)")
    command.add_argument("--allow-missing", action="store_true", help="list files without a preset instead of failing")
    command.add_argument(
        "--dtype",
        choices=("auto", "float32", "float64"),
        default="auto",
        help="auto: float64 for files recorded in float64, else float32",
    )
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    known = backend_names()
    backends = options.backends.split(",") if options.backends else list(known)
    unknown = [name for name in backends if name not in known]
    if unknown:
        print(f"error: unknown backend {unknown[0]!r}: {', '.join(known)}", file=sys.stderr)
        return 2
    try:
        result = check(options.paths, backends, options.dtype)
    except SegParityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for text in result.without_preset:
        print(f"{'NO PRESET' if options.allow_missing else 'FAIL  no preset'}  {text}")
    print(
        f"{result.compared} outputs of {result.files} files compared, {result.failed} failed; "
        f"{len(result.without_preset)} files without a preset"
    )
    if result.missing_backends:
        print(f"backends SKIPPED, not installed: {', '.join(result.missing_backends)}")
    lacking = bool(options.backends and result.missing_backends) or len(result.missing_backends) == len(backends)
    refused = bool(result.without_preset) and not options.allow_missing
    return 1 if result.failed or refused or lacking else 0


if __name__ == "__main__":
    sys.exit(main())

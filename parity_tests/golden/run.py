"""The comparison: every golden file's outputs in every backend asked for."""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from core import safetensors
from core.arch.golden import Output
from core.errors import WeightsError
from core.process import BackendFailed, BackendMissing
from parity_tests.client import Backend
from parity_tests.golden.files import MODES, Golden, find_files, make_input, make_parameters, read_golden
from parity_tests.golden.network import Network, find_network, output_names
from parity_tests.golden.rounding import FLOAT64, Rounding, distance, measured, noted
from parity_tests.tolerances import Tolerance
from weights_convert.load import canonical_state
from weights_convert.matching import Fit

_NO_TOLERANCE = Tolerance(0.0, "")


@dataclass(frozen=True)
class Comparison:
    """One output of one backend against the original's."""

    name: str
    largest: float
    relative: float
    tolerance: Tolerance
    note: str = ""

    @property
    def passed(self) -> bool:
        return not self.note and self.relative <= self.tolerance.limit  # False for NaN

    @property
    def figures(self) -> str:
        return self.note or (
            f"largest {self.largest:.2e}, relative {self.relative:.2e}, "
            f"allowed {self.tolerance.limit:.1e} ({self.tolerance.reason})"
        )


def compare(
    name: str,
    ours: np.ndarray | None,
    theirs: np.ndarray,
    shape: tuple[int, ...],
    stride: int,
    rounding: Callable[[bool], Tolerance],
) -> Comparison:
    """`ours` in full against every `stride`-th row and column of `theirs`; `shape` is theirs in full.

    `rounding(False)` is the tolerance by what is known already, `rounding(True)` by what may have to be measured first:
    that is asked where the former leaves less than a factor of two.
    """
    if ours is None:
        return Comparison(name, math.nan, math.nan, _NO_TOLERANCE, "the network has no such output")
    if ours.shape != shape:
        return Comparison(name, math.nan, math.nan, _NO_TOLERANCE, f"is {ours.shape}, the original's {shape}")
    sampled = ours[..., ::stride, ::stride] if ours.ndim == 4 else ours
    largest = float(np.max(np.abs(sampled.astype(np.float64) - theirs)))
    relative = distance(sampled, theirs)
    tolerance = rounding(False)
    if not 2 * relative <= tolerance.limit:
        tolerance = rounding(True)
    return Comparison(name, largest, relative, tolerance)


@dataclass
class Job:
    """A golden file ready to be run: its network, and the state in a file that the workers share."""

    golden: Golden
    network: Network
    state: Path
    measured: dict[str, list[Rounding]] = field(default_factory=dict)  # by mode

    def write_state(self, fit: Fit) -> None:
        """The original's parameters as the state of that network."""
        arrays = canonical_state(fit, make_parameters(self.golden), str(self.golden.path))
        safetensors.save(self.state, arrays)


def compute(backend: Backend, job: Job, fit: Fit, mode: str, dtype: str) -> list[np.ndarray | None]:
    """What the backend gives for every recorded output; None where the network has no such output."""
    golden, spec = job.golden, fit.spec
    backend.request(
        "build",
        preset=fit.preset,
        overrides=fit.overrides,
        num_classes=spec.num_classes,
        dtype=dtype,
        dropout=mode == "eval",
    )
    backend.request("load", job.state)
    shape, seed = golden.inputs[mode]
    plan = job.network.outputs(mode, len(golden.outputs[mode]))
    arrays = _arrays(backend, plan, make_input(shape, seed).astype(dtype), mode)
    found = []
    for output in plan:
        array = arrays.get(output.name)
        size = None if array is None else output.size(shape[2], shape[3], own=array.shape[2:])
        if array is not None and output.function:
            array = _FUNCTIONS[output.function](array)
        if array is not None and size is not None and size != array.shape[2:]:
            _, resized = backend.request("resize", {"x": array}, size=size, align_corners=spec.align_corners)
            array = resized["x"]
        found.append(array)
    backend.request("free")
    return [*found, *[None] * (len(golden.outputs[mode]) - len(found))]


def _arrays(backend: Backend, plan: Sequence[Output], x: np.ndarray, mode: str) -> dict[str, np.ndarray]:
    """By name what the network returns, and what its submodules take and give where one of them is asked for."""
    inner = [output.name for output in plan if not output.returned]
    if inner:
        depth = 1 + max(name.count(".") for name in inner)
        _, arrays = backend.request("trace", {"x": x}, train=mode == "train", depth=depth)
        prefix = "logits."
    else:
        _, arrays = backend.request("forward", {"x": x}, train=mode == "train")
        prefix = "out/"
    returned = [name for name in arrays if name.startswith(prefix)]
    names = output_names(len(returned))
    return {**arrays, **{name: arrays[f"{prefix}{i}"] for i, name in enumerate(names)}}


def _log_softmax(x: np.ndarray) -> np.ndarray:
    shifted = x - x.max(axis=1, keepdims=True)
    logarithm: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logarithm


_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "log_softmax": _log_softmax,
    "softmax": lambda x: np.exp(_log_softmax(x)),
}


def run_mode(backend: Backend, job: Job, mode: str, dtype: str, reference: Backend) -> list[Comparison]:
    """The comparisons of one file in one mode in one backend; what rounding does is measured in `reference`."""
    golden = job.golden
    outputs = compute(backend, job, job.network.fit, mode, dtype)
    known = noted(golden, mode)

    def tolerance(i: int, measure: bool) -> Tolerance:
        if job.network.recording.in_float64 and dtype == "float64":
            return FLOAT64
        if known[i] is not None and not measure:
            return known[i].tolerance  # type: ignore[union-attr]
        if mode not in job.measured:
            single, double = (
                compute(reference, job, job.network.fit, mode, each)
                if (reference, each) != (backend, dtype)
                else outputs
                for each in ("float32", "float64")
            )
            job.measured[mode] = measured(single, double, reference.name)
        return max(filter(None, (known[i], job.measured[mode][i])), key=lambda rounding: rounding.size).tolerance

    return [
        compare(
            f"{mode}/{i}",
            ours,
            golden.outputs[mode][i],
            golden.shapes[mode][i],
            golden.stride,
            lambda measure, i=i: tolerance(i, measure),  # type: ignore[misc]
        )
        for i, ours in enumerate(outputs)
    ]


@dataclass(frozen=True)
class Outcome:
    """One output as the command's JSON has it; figures are None where they are no numbers. `why`: what is allowed."""

    file: str
    preset: str
    backend: str
    mode: str
    output: str
    dtype: str
    passed: bool
    relative: float | None = None
    largest: float | None = None
    allowed: float | None = None
    why: str = ""


@dataclass
class Result:
    """What a run of the command found."""

    compared: int = 0
    failed: int = 0
    files: int = 0
    without_preset: list[str] = field(default_factory=list)
    missing_backends: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


def prepare(files: Sequence[Path], folder: Path, preset: str | None, result: Result) -> Iterator[Job]:
    """Each file's network and state, one on the disk at a time; files without a preset are noted in `result`."""
    for path in files:
        golden = read_golden(path)
        try:
            network = find_network(golden, preset)
        except WeightsError as error:
            result.without_preset.append(f"{golden.label}: {error}")
            continue
        job = Job(golden, network, folder / "state.safetensors")
        job.write_state(network.fit)
        result.files += 1
        yield job
        job.state.unlink()


def choose(job: Job, backend: Backend, dtype: str, result: Result) -> bool:
    """Of several networks that fit the one whose outputs have the recorded shapes, or else the recorded values.

    False, and noted, if that is not one.
    """
    network = job.network
    if not network.rivals:
        return True
    candidates = [network.fit, *network.rivals]
    told = [fit for fit in candidates if _shapes(backend, job, fit) == [job.golden.shapes[mode] for mode in MODES]]
    by = "shapes of the outputs"
    if len(told) > 1:
        told = [fit for fit in told if _meets(backend, job, fit, dtype)]
        by = f"recorded values, which it alone meets in {backend.name}"
    names = ", ".join(fit.preset for fit in candidates)
    if len(told) != 1:
        result.files -= 1
        result.without_preset.append(
            f"{job.golden.label}: {job.golden.path}: fits {names}; neither its notes nor its outputs tell which: say "
            "it with --preset"
        )
        return False
    job.network = replace(network, fit=told[0], rivals=(), note=f"one of {names}, told by the {by}")
    job.measured.clear()
    job.write_state(told[0])
    return True


def _meets(backend: Backend, job: Job, fit: Fit, dtype: str) -> bool:
    """Whether the network gives what is recorded."""
    job.write_state(fit)
    trial = replace(job, network=replace(job.network, fit=fit), measured={})
    return all(found.passed for mode in MODES for found in run_mode(backend, trial, mode, dtype, backend))


def _shapes(backend: Backend, job: Job, fit: Fit) -> list[list[tuple[int, ...]]]:
    """The shapes of what the network gives, for each mode; none where it does not take the file's input."""
    job.write_state(fit)
    try:
        outputs = [compute(backend, job, fit, mode, "float32") for mode in MODES]
    except BackendFailed:
        return []
    return [[() if array is None else array.shape for array in arrays] for arrays in outputs]


def chosen_dtype(job: Job, dtype: str) -> str:
    """`auto` is float64 for files recorded in it, else float32."""
    return dtype if dtype != "auto" else ("float64" if job.network.recording.in_float64 else "float32")


def run_file(backend: Backend, job: Job, dtype: str, reference: Backend, result: Result) -> None:
    """Compares one file in one backend and prints a line for each output."""
    label = f"{job.golden.source}/{job.golden.path.stem}"
    preset = job.network.fit.preset
    for mode in MODES:
        try:
            comparisons = run_mode(backend, job, mode, dtype, reference)
        except BackendFailed as error:
            result.compared += 1
            result.failed += 1
            result.outcomes.append(Outcome(label, preset, backend.name, mode, "", dtype, False, why=str(error)))
            print(f"FAIL  {label:34s} {backend.name:6s} {mode}: {error}", flush=True)
            continue
        for found in comparisons:
            result.compared += 1
            result.failed += not found.passed
            result.outcomes.append(
                Outcome(
                    label,
                    preset,
                    backend.name,
                    mode,
                    found.name,
                    dtype,
                    found.passed,
                    _finite(found.relative),
                    _finite(found.largest),
                    None if found.note else found.tolerance.limit,
                    found.note or found.tolerance.reason,
                )
            )
            verdict = "ok  " if found.passed else "FAIL"
            print(f"{verdict}  {label:34s} {backend.name:6s} {found.name:8s} {dtype}  {found.figures}", flush=True)


def _finite(figure: float) -> float | None:
    return figure if math.isfinite(figure) else None


def check(paths: Sequence[Path], backends: Sequence[str], dtype: str, preset: str | None = None) -> Result:
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
            for job in prepare(find_files(paths), Path(folder), preset, result):
                chosen = chosen_dtype(job, dtype)
                if not running or not choose(job, running[0], chosen, result):
                    continue
                if job.network.note:
                    print(f"      {job.golden.label} is {job.network.fit.preset}: {job.network.note}")
                for backend in running:
                    run_file(backend, job, chosen, running[0], result)
    finally:
        for backend in running:
            backend.close()
    return result

"""Time per iteration, throughput and peak memory of one network in one backend, in this process."""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from backends.jobs.cli import job_parser
from backends.jobs.options import file_path, size, whole
from core.arch import PRESETS, Spec
from core.arch.inventory import count
from core.backend import Backend
from core.config import Config, ModelConfig, load_config
from core.errors import ConfigError
from core.files import require_file, write_text
from core.initialize import initial_state
from core.losses import Objective, resolve_terms
from core.measurements import Measurements
from core.ranges import Range
from core.zoo import MEASUREMENTS

PERCENTILES = (50, 90, 99)
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Method:
    """How the time of an iteration is found.

    warm_up: iterations that are not timed; iterations: those that are, unless the command says otherwise.
    lasting, timed: seconds. Where given, the iterations are doubled until they last longer than `lasting`, and then as
    many are timed as `timed` seconds hold.
    """

    warm_up: int
    iterations: int
    lasting: float = 0.0
    timed: float = 0.0


# "fasterseg" is the measurement of FasterSeg (Chen et al., ICLR 2020), which STDC and DABNet's tool took over.
METHODS = {"iterations": Method(3, 10), "fasterseg": Method(10, 100, lasting=1.0, timed=6.0)}


def peak_memory_mib() -> float:
    """The process's largest resident size so far, MiB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _times(step: Callable[[], Any], iterations: int) -> list[float]:
    """Milliseconds of each call."""
    times = []
    for _ in range(iterations):
        start = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - start))
    return times


def measure(
    step: Callable[[], Any],
    iterations: int | None = None,
    peak: Callable[[], float | None] = peak_memory_mib,
    method: Method = METHODS["iterations"],
) -> dict[str, float | None]:
    """Milliseconds per call, after a warm-up, and the memory the calls added to what was there before.

    iterations: how many are timed, or, where the method doubles them, how many it begins with.
    peak: the most memory taken so far, MiB; None where that cannot be told.
    """
    before = peak()
    for _ in range(method.warm_up):
        step()
    times = _times(step, iterations or method.iterations)
    while method.timed and sum(times) <= 1000 * method.lasting:
        times = _times(step, 2 * len(times))
    if method.timed:
        times = _times(step, max(1, int(method.timed * 1000 * len(times) / sum(times))))
    after = peak()
    return {
        "median_ms": statistics.median(times),
        "fastest_ms": min(times),
        "mean_ms": statistics.fmean(times),
        **{f"p{share}_ms": float(np.percentile(times, share)) for share in PERCENTILES},
        "iterations": len(times),
        "peak_mib": after,
        "added_mib": None if before is None or after is None else after - before,
    }


def multiply_adds(config: Config, spec: Spec, size: tuple[int, int]) -> int | None:
    """Of the inference network on one picture, where the zoo's measurements have them for this network and size."""
    preset = PRESETS.get(config.model.preset)
    entry = None if preset is None else Measurements.read(ROOT / MEASUREMENTS).of(preset)
    same = entry is not None and entry.values == spec.inference_values() and entry.input == size
    return entry.multiply_adds if entry is not None and same else None


def build_step(
    spec: Spec,
    config: Config,
    mode: str,
    batch: int,
    size: tuple[int, int],
    device: str,
    backend: Backend,
) -> Callable[[], None]:
    """One iteration on random weights and pictures, done to the end.

    mode `train`: forward, loss, backward, update. `infer`: without auxiliary heads, classes at the pictures' size.
    Raises SpecError for a size or batch the network cannot take.
    """
    height, width = size
    spec.check_input(height, width)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((batch, 3, height, width), dtype=np.float32)
    if mode == "infer":
        spec = spec.for_inference()
        predictor = backend.predictor(spec, initial_state(spec.parameters(), config.seed), device)

        def infer() -> None:
            predictor.labels(images, (height, width))

        return infer
    spec.check_batch(batch, height, width)
    learner = backend.learner(spec, config, device)
    learner.set_state(initial_state(spec.parameters(), config.seed))
    labels = rng.integers(0, spec.num_classes, (batch, height, width))

    costs = resolve_terms(spec, config.loss)

    def train() -> None:
        learner.backward([images], Objective(costs, [labels], spec.align_corners), seed=0)
        learner.update(1e-4)
        learner.wait()

    return train


def parser(backend: str) -> argparse.ArgumentParser:
    command = job_parser(backend, "benchmark", "Measure time per iteration and peak memory of a network.")
    command.add_argument("--preset", help="a preset of core.arch (default: the configuration's)")
    command.add_argument("--mode", choices=("train", "infer"), default="infer")
    command.add_argument(
        "--batch", type=whole(Range(1)), nargs="+", default=[1], metavar="N", help="pictures at once; several: each (1)"
    )
    command.add_argument(
        "--size", type=size, nargs="+", default=[(512, 1024)], metavar="HxW", help="several: each with each batch"
    )
    command.add_argument(
        "--method",
        choices=tuple(METHODS),
        default="iterations",
        help="iterations: after three that are not timed; fasterseg: as FasterSeg and STDC measure: after ten, doubled "
        "from 100 until they last a second, then six seconds' worth",
    )
    command.add_argument(
        "--iterations", type=whole(Range(1)), help="timed iterations (10); of fasterseg those it begins with (100)"
    )
    command.add_argument(
        "--warm-up", type=whole(Range(0)), metavar="N", help="iterations before, not timed (3, of fasterseg 10)"
    )
    command.add_argument("--json", type=file_path, metavar="FILE", help="write the figures there")
    command.add_argument("--plot", type=file_path, metavar="FILE.png", help="draw latency and throughput there")
    return command


def table(results: Sequence[dict[str, Any]]) -> str:
    """A line for each batch and size; milliseconds are of a whole batch."""
    titles = ("batch", "size", "mean", *(f"p{share}" for share in PERCENTILES), "fastest", "pictures/s", "peak MiB")
    lines = ["".join(f"{title:>11s}" for title in titles)]
    for one in results:
        batch, _, height, width = one["shape"]
        times = [one[key] for key in ("mean_ms", *(f"p{share}_ms" for share in PERCENTILES), "fastest_ms")]
        peak = "-" if one["peak_mib"] is None else f"{one['peak_mib']:.0f}"
        cells = [str(batch), f"{height}x{width}", *(f"{value:.2f}" for value in times)]
        lines.append("".join(f"{cell:>11s}" for cell in [*cells, f"{one['pictures_per_second']:.2f}", peak]))
    return "\n".join(lines)


def plot(results: Sequence[dict[str, Any]], path: Path) -> None:
    """Latency (median, up to the last percentile) and throughput over the pictures' pixels, a line per batch."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for batch in sorted({one["shape"][0] for one in results}):
        own = sorted((one for one in results if one["shape"][0] == batch), key=lambda one: one["megapixels"])
        pixels, medians = [one["megapixels"] for one in own], [one["median_ms"] for one in own]
        left.plot(pixels, medians, marker="o", label=f"batch {batch}")
        left.fill_between(pixels, medians, [one[f"p{PERCENTILES[-1]}_ms"] for one in own], alpha=0.2)
        right.plot(pixels, [one["pictures_per_second"] for one in own], marker="o", label=f"batch {batch}")
    left.set(xlabel="megapixels a picture", ylabel=f"ms an iteration: median to p{PERCENTILES[-1]}", ylim=(0, None))
    right.set(xlabel="megapixels a picture", ylabel="pictures a second", ylim=(0, None))
    right.legend()
    first = results[0]
    figure.suptitle(f"{first['preset']}, {first['mode']}, {first['version']}")
    FigureCanvasAgg(figure)
    figure.savefig(path)


def _check_plot(path: Path) -> None:
    """Raises ConfigError for what would fail only when all has been measured."""
    if path.suffix != ".png":
        raise ConfigError(f"--plot {path}: a picture's file ends in .png")
    require_file(path, "--plot")
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError('--plot needs matplotlib: run `pip install -e ".[report]"` in the project\'s folder')


def job(arguments: argparse.Namespace, backend: Backend) -> None:
    """The memory is the GPU's where the network lies on one."""
    config = load_config(arguments.cfg, arguments.overrides)
    if arguments.preset is not None:
        config = replace(config, model=ModelConfig(preset=arguments.preset))
    if arguments.json is not None:
        require_file(arguments.json, "--json")
    if arguments.plot is not None:
        _check_plot(arguments.plot)
    mode, device, spec = arguments.mode, arguments.device, config.spec(19)
    # The smallest first: the process's peak never falls, so each is then the largest so far.
    cases = sorted(set(product(arguments.batch, arguments.size)), key=lambda case: (case[0] * math.prod(case[1]), case))
    for batch, pixels in cases:
        spec.check_input(*pixels)
        if mode == "train":
            spec.check_batch(batch, *pixels)
    on_gpu = backend.devices.is_gpu(device)
    peak = partial(backend.devices.device_memory_mib, device) if on_gpu else peak_memory_mib
    method = METHODS[arguments.method]
    if arguments.warm_up is not None:
        method = replace(method, warm_up=arguments.warm_up)
    results = []
    for batch, pixels in cases:
        step = build_step(spec, config, mode, batch, pixels, device, backend)
        found = measure(step, arguments.iterations, peak, method)
        assert found["mean_ms"] is not None
        results.append(
            {
                "backend": backend.name,
                "version": backend.devices.version(),
                "preset": config.model.preset,
                "mode": mode,
                "method": arguments.method,
                "shape": [batch, 3, *pixels],
                "megapixels": math.prod(pixels) / 1e6,
                "parameters": count(spec.for_inference().parameters()),
                "multiply_adds": multiply_adds(config, spec, pixels),
                "memory_of": "gpu" if on_gpu else "process",
                **found,
                "pictures_per_second": 1000 * batch / found["mean_ms"],
            }
        )
    _show(results)
    if arguments.json is not None:
        write_text(arguments.json, json.dumps(results[0] if len(results) == 1 else {"runs": results}) + "\n")
    if arguments.plot is not None:
        plot(results, arguments.plot)


def _show(results: Sequence[dict[str, Any]]) -> None:
    first = results[0]
    print(f"{first['preset']}, {first['mode']}, {first['version']}, --method {first['method']}; times in ms a batch")
    print(f"{first['parameters'] / 1e6:.3f} million parameters in the inference network")
    for height, width, counted in sorted({(*one["shape"][2:], one["multiply_adds"]) for one in results}, key=str):
        if counted is not None:
            print(f"{counted / 1e9:.3f} billion multiply-adds a picture of {height}x{width}")
    print(table(results))
    if first["peak_mib"] is None:
        print(f"{first['version']} does not tell what its arrays take on a GPU", file=sys.stderr)

"""Time per iteration and peak memory of one network in one backend, in this process."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from backends.jobs.cli import job_parser
from backends.jobs.options import file_path, size, whole
from core.arch import Spec
from core.backend import Backend
from core.config import Config, ModelConfig, load_config
from core.files import require_file, write_text
from core.initialize import initial_state
from core.losses import Objective, resolve_terms
from core.ranges import Range

WARM_UP = 3


def peak_memory_mib() -> float:
    """The process's largest resident size so far, MiB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(
    step: Callable[[], Any], iterations: int, peak: Callable[[], float | None] = peak_memory_mib
) -> dict[str, float | None]:
    """Milliseconds per call, after a warm-up, and the memory the calls added to what was there before.

    peak: the most memory taken so far, MiB; None where that cannot be told.
    """
    before = peak()
    for _ in range(WARM_UP):
        step()
    times = []
    for _ in range(iterations):
        start = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - start))
    after = peak()
    return {
        "median_ms": statistics.median(times),
        "fastest_ms": min(times),
        "peak_mib": after,
        "added_mib": None if before is None or after is None else after - before,
    }


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
    command.add_argument("--batch", type=whole(Range(1)), default=1)
    command.add_argument("--size", type=size, default=(512, 1024), metavar="HxW")
    command.add_argument(
        "--iterations", type=whole(Range(1)), default=10, help="timed iterations, after three that are not"
    )
    command.add_argument("--json", type=file_path, metavar="FILE", help="write the figures there")
    return command


def job(arguments: argparse.Namespace, backend: Backend) -> None:
    """The memory is the GPU's where the network lies on one."""
    config = load_config(arguments.cfg, arguments.overrides)
    if arguments.preset is not None:
        config = replace(config, model=ModelConfig(preset=arguments.preset))
    if arguments.json is not None:
        require_file(arguments.json, "--json")
    mode, batch, pixels, device = arguments.mode, arguments.batch, arguments.size, arguments.device
    step = build_step(config.spec(19), config, mode, batch, pixels, device, backend)
    on_gpu = backend.devices.is_gpu(device)
    peak = partial(backend.devices.device_memory_mib, device) if on_gpu else peak_memory_mib
    result = {
        "backend": backend.name,
        "version": backend.devices.version(),
        "preset": config.model.preset,
        "mode": mode,
        "shape": [batch, 3, *pixels],
        "memory_of": "gpu" if on_gpu else "process",
        **measure(step, arguments.iterations, peak),
    }
    print(json.dumps(result, indent=1))
    if arguments.json is not None:
        write_text(arguments.json, json.dumps(result) + "\n")
    if result["peak_mib"] is None:
        print(f"{backend.devices.version()} does not tell what its arrays take on a GPU", file=sys.stderr)

"""Time per iteration and peak memory of one network in one backend, in this process."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from backends.jobs.cli import job_parser
from backends.jobs.options import file_path, size, whole
from core.arch import Spec
from core.backend import Backend
from core.config import Config, ModelConfig, load_config
from core.files import write_text
from core.initialize import initial_state
from core.losses import Objective, resolve_terms
from core.ranges import Range

WARM_UP = 3


def peak_memory_mib() -> float:
    """The process's largest resident size so far, MiB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(step: Callable[[], Any], iterations: int) -> dict[str, float]:
    """Milliseconds per call, after a warm-up, and the memory the calls added to what was there before."""
    before = peak_memory_mib()
    for _ in range(WARM_UP):
        step()
    times = []
    for _ in range(iterations):
        start = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - start))
    peak = peak_memory_mib()
    return {
        "median_ms": statistics.median(times),
        "fastest_ms": min(times),
        "peak_mib": peak,
        "added_mib": peak - before,
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
    """The `benchmark` command."""
    config = load_config(arguments.cfg, arguments.overrides)
    if arguments.preset is not None:
        config = replace(config, model=ModelConfig(preset=arguments.preset))
    shape = (arguments.batch, 3, *arguments.size)
    step = build_step(
        config.spec(19),
        config,
        arguments.mode,
        arguments.batch,
        arguments.size,
        arguments.device,
        backend,
    )
    result = {
        "backend": backend.name,
        "preset": config.model.preset,
        "mode": arguments.mode,
        "shape": list(shape),
        **measure(step, arguments.iterations),
    }
    print(json.dumps(result, indent=1))
    if arguments.json is not None:
        text = json.dumps(result) + "\n"
        write_text(arguments.json, text)

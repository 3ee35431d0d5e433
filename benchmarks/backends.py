"""SegParity's own backends as candidates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from backends.jobs.benchmark import build_step
from benchmarks.cases import NUM_CLASSES, Case
from core.backend import Backend
from core.config import Config, ModelConfig


def build(preset: str, case: Case, backend: Backend) -> tuple[Callable[[], None], int]:
    """One iteration, and the number of learnable scalars."""
    config = replace(Config(), model=ModelConfig(preset=preset))
    spec = config.spec(NUM_CLASSES)
    step = build_step(spec, config, case.mode, case.batch, case.size, "cpu", backend)
    return step, (spec if case.mode == "train" else spec.for_inference()).parameter_count()

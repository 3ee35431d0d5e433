"""SegParity's own backends as candidates."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.cases import NUM_CLASSES, Case
from core.benchmarking import build_step
from core.config import Config, ModelConfig

PACKAGES = {"torch": "torch", "paddle": "paddlepaddle", "mxnet": "mxnet"}


def import_backend(name: str) -> tuple[Any, Any]:
    """The backend's Learner and Predictor."""
    train = importlib.import_module(f"backends.{name}.train")
    inference = importlib.import_module(f"backends.{name}.inference")
    return train.Learner, inference.Predictor


def build(preset: str, case: Case, types: tuple[Any, Any]) -> tuple[Callable[[], None], int]:
    """One iteration, and the number of learnable scalars."""
    config = replace(Config(), model=ModelConfig(preset=preset))
    spec = config.spec(NUM_CLASSES)
    step = build_step(spec, config, case.mode, case.batch, case.size, "cpu", *types)
    return step, (spec if case.mode == "train" else spec.for_inference()).parameter_count()

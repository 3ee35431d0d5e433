"""A run begun in one framework is finished in another, by the commands a user types: all six ordered pairs."""

from __future__ import annotations

import os
import shutil
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from core.checkpoint import RunDirectory, load_checkpoint
from core.description import backend_names, descriptions
from tests.backends.conftest import run, settings

BACKENDS = backend_names()
HALF, WHOLE = 4, 8
# Dropout masks are each framework's own random numbers: off, so that the losses can be compared.
NO_DROPOUT = "{dropout: {p: 0.0}, auxiliary: [{tap: detail, width: 16, dropout: {p: 0.0}}]}"


def require(*backends: str) -> None:
    missing = [name for name in backends if not descriptions()[name].installed]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{missing} not installed")
    if missing:
        pytest.skip(f"{missing} not installed (make setup)")


def losses(directory: Path) -> np.ndarray:
    return np.array([record["loss"] for record in RunDirectory(directory).read_metrics() if "loss" in record])


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each backend a run stopped half-way, with its schedule for the whole; and the same run finished in it."""
    root = tmp_path_factory.mktemp("runs")
    for backend in BACKENDS:
        if descriptions()[backend].installed:
            schedule = settings(
                model__overrides=NO_DROPOUT, train__checkpoint_interval="1", schedule__policy="constant"
            )
            run(backend, "train", *schedule, "--set", f"train.iterations={HALF}", "--run", root / backend)
            shutil.copytree(root / backend, root / f"{backend}-whole")
            finish(backend, root / f"{backend}-whole")
    return {path.name: path for path in root.iterdir()}


def finish(backend: str, directory: Path) -> None:
    run(backend, "train", "--run", directory, "--resume", "--set", f"train.iterations={WHOLE}")


@pytest.mark.parametrize(("first", "second"), list(permutations(BACKENDS, 2)))
def test_the_loss_goes_on_without_a_jump(first: str, second: str, halves: dict[str, Path], tmp_path: Path) -> None:
    require(first, second)
    directory = tmp_path / "run"
    shutil.copytree(halves[first], directory)
    finish(second, directory)
    moved, stayed = losses(directory), losses(halves[f"{first}-whole"])
    assert len(moved) == len(stayed) == WHOLE
    assert np.array_equal(moved[:HALF], stayed[:HALF])
    # Same weights, statistics, momentum and pictures: only rounding is left, and it grows by the iteration.
    assert np.abs(moved / stayed - 1).max() < 1e-4
    assert abs(moved[HALF] / stayed[HALF] - 1) < 1e-5
    ended = load_checkpoint(RunDirectory(directory).last)
    assert ended.iteration == WHOLE
    assert ended.metadata["origin"] == f"segparity {second}"

"""Fixtures for the backend under test."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from core.signals import describe_end

ROOT = Path(__file__).resolve().parents[2]

# A data set and a network small enough for seconds.
TINY = {
    "model.preset": "fast_scnn_tiny",
    "data.options": "{size: [72, 96], train: 12, val: 3}",
    "transform.crop": "[64, 96]",
    "transform.scale": "[0.75, 1.5]",
    "train.batch_size": "4",
    "train.iterations": "8",
    "train.checkpoint_interval": "2",
    "train.log_interval": "1",
}


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> str:
    return request.config.getoption("--backend")


@pytest.fixture(scope="session")
def module(backend: str) -> Callable[[str], ModuleType]:
    """module("losses") is backends.<backend under test>.losses."""
    return lambda name: importlib.import_module(f"backends.{backend}.{name}")


def settings(**changes: str) -> list[str]:
    """TINY as `--set` arguments; `train__iterations="4"` changes train.iterations."""
    values = TINY | {key.replace("__", "."): value for key, value in changes.items()}
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]


def command(backend: str, job: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", f"backends.{backend}.{job}", *map(str, arguments)]


def run(backend: str, job: str, *arguments: object, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Runs a job as a user does; its exit status must be `expect`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        command(backend, job, *arguments), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    ended = f"{backend}.{job} {describe_end(result.returncode)}"
    assert result.returncode == expect, f"{ended}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    return result


def called(backend: str, job: str, *arguments: object, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Runs a job in this process, which has imported the framework; its exit status must be `expect`."""
    given = list(map(str, arguments))
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(io.StringIO()) as complained:
        try:
            status = importlib.import_module(f"backends.{backend}.{job}").main(given)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
    result = subprocess.CompletedProcess(given, status, said.getvalue(), complained.getvalue())
    assert status == expect, f"{backend}.{job} ended with {status}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    return result

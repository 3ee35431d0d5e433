"""A backend is one folder: in a copy of the tree without it, everything else works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.description import backend_names
from tests.shared_paths import SHARED

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("core", "weights_convert", "backends", "parity_tests", "benchmarks", "tests", "configs", "docs")
FILES = ("pyproject.toml", "README.md", "CONTRIBUTING.md", "Makefile")
# What needs no framework and takes seconds.
FAST = ("imports", "mirror", "arch", "config", "zoo", "convert")


def copy_without(backend: str, folder: Path) -> Path:
    """The project in `folder`, but for a backend."""
    skipped = shutil.ignore_patterns("__pycache__", ".*")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=skipped)
    for name in FILES:
        shutil.copy2(ROOT / name, folder)
    shutil.rmtree(folder / "backends" / backend)
    return folder


def run(folder: Path, *arguments: str) -> str:
    """The output of `python -m …` in the copy; it must succeed."""
    environment = {**os.environ, "SEGPARITY_SHARED": str(SHARED), "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    environment.pop("CI", None)  # there, a missing backend is a failure
    command = [sys.executable, "-m", *arguments]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, f"{arguments}\n{result.stdout[-4000:]}\n{result.stderr[-2000:]}"
    return result.stdout


FIRST, *OTHERS = backend_names()


@pytest.mark.parametrize("backend", [FIRST, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_the_rest_works(backend: str, tmp_path: Path) -> None:
    folder = copy_without(backend, tmp_path / "tree")
    code = "import core.description as d; print(d.__file__, *d.backend_names())"
    said = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert said.split() == [
        str(folder / "core" / "description.py"),
        *(name for name in backend_names() if name != backend),
    ]
    run(
        folder,
        "pytest",
        "-p",
        "no:cacheprovider",
        "-k",
        "not round_trip and not readme",
        *(f"tests/test_{name}.py" for name in FAST),
    )
    assert "climb" in run(folder, "parity_tests", "--help")
    # Every test is found, so nothing imports what is gone.
    assert "parity_tests/test_ladder.py" in run(folder, "pytest", "-p", "no:cacheprovider", "--collect-only")


@pytest.mark.slow
@pytest.mark.parametrize("backend", backend_names())
def test_all_tests_pass(backend: str, tmp_path: Path) -> None:
    folder = copy_without(backend, tmp_path / "tree")
    run(folder, "pytest", "-p", "no:cacheprovider", "--ignore", "tests/test_without_a_backend.py")

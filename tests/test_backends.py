"""Runs tests/backends once per backend, in a process of its own; a missing backend is a loud skip, in CI a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("backend", ["torch", "paddle", "mxnet"])
def test_backend(backend: str, request: pytest.FixtureRequest) -> None:
    if find_spec(backend) is None:
        message = f"{backend} is not installed: its tests did not run (make setup BACKENDS={backend})"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    command = [sys.executable, "-m", "pytest", "tests/backends", "--backend", backend, "-p", "no:cacheprovider"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = result.stdout.strip().splitlines()
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{backend}: {lines[-1] if lines else 'no output'}")
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-4000:]

"""Runs tests/backends once per backend, in a process of its own; a missing backend is a loud skip, in CI a failure."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from core.description import backend_names, descriptions
from core.signals import describe_end

ROOT = Path(__file__).resolve().parents[1]
BACKENDS = backend_names()
LIMIT = 3600  # seconds for the tests of one backend, each of which has its own


def run_tests(backend: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "tests/backends", "--backend", backend, "-p", "no:cacheprovider"]
    command.append("-vv")  # names each test before it runs: a process that dies says in which
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    # Through files: a pipe ends only with the last process that holds it, one left behind included.
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complained:
        ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=said, stderr=complained, timeout=LIMIT)
        texts = [file.read() for file in (said, complained) if file.seek(0) == 0]
    return subprocess.CompletedProcess(command, ended.returncode, *texts)


@pytest.fixture(scope="module")
def results() -> Iterator[dict[str, Future[subprocess.CompletedProcess[str]]]]:
    """The runs of the installed backends, two at a time, on one thread each."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {name: pool.submit(run_tests, name) for name in BACKENDS if descriptions()[name].installed}


@pytest.mark.timeout(2 * LIMIT)
@pytest.mark.parametrize("backend", BACKENDS)
def test_backend(
    backend: str,
    results: dict[str, Future[subprocess.CompletedProcess[str]]],
    record_property: Callable[[str, object], None],
) -> None:
    if backend not in results:
        message = f"{backend} is not installed: its tests did not run (make setup BACKENDS={backend})"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    result = results[backend].result()
    lines = result.stdout.strip().splitlines()
    record_property("summary", f"{backend}: {lines[-1] if lines else 'no output'}")  # tests/conftest.py shows it
    if result.returncode < 0:
        where = lines[-1] if lines else "no test yet"
        pytest.fail(f"{backend} {describe_end(result.returncode)}; it was at: {where}\n{result.stderr[-4000:]}")
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-4000:]

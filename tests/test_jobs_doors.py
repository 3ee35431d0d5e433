"""From the command line to a job: the doors, and an output that takes no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.description import FOLDER, descriptions

ROOT = FOLDER.parent
JOBS = sorted(path.stem for path in (FOLDER / "jobs").glob("*.py") if "def job(" in path.read_text())


def test_every_backend_has_the_same_door_to_every_job() -> None:
    assert {"train", "eval", "predict", "benchmark"} <= set(JOBS)
    for job in JOBS:
        doors = {(FOLDER / name / f"{job}.py").read_text() for name in descriptions()}
        assert len(doors) == 1, job
        assert len(doors.pop().splitlines()) < 10


TALK = """
import sys
from backends.jobs.cli import run
def job():
    for number in range(int(sys.argv[1])):
        print("a line of results, number", number, flush=number % 1000 == 0)
sys.exit(run(job))
"""


@pytest.mark.parametrize("lines", ["3", "30000"])
def test_a_reader_that_goes_away_is_one_sentence(lines: str) -> None:
    """`| head -1`, whether the rest lies in a buffer or not."""
    process = subprocess.Popen(
        [sys.executable, "-c", TALK, lines], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    if lines == "30000":
        process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 2
    assert said == "error: standard output was closed before all was printed\n"


def test_a_full_disk_under_the_output_is_one_sentence() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-c", TALK, "3"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert result.returncode == 2
    assert result.stderr == ("error: standard output takes no more (No space left on device) before all was printed\n")

"""Runs of several processes under each framework's own launcher: three of them, a death, another number, scores."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from core.checkpoint import RunDirectory, load_checkpoint
from core.description import backend_names, descriptions
from parity_tests import launchers
from parity_tests.rungs.processes import NETWORK, configuration, trained

BACKENDS = [pytest.param(name, id=name) for name in backend_names()]
pytestmark = pytest.mark.slow


def require(backend: str) -> None:
    if not descriptions()[backend].installed:
        pytest.skip(f"{backend} is not installed")


def flat(folder: Path) -> np.ndarray:
    weights = load_checkpoint(RunDirectory(folder / "run").last).weights
    return np.concatenate([weights[name].ravel() for name in sorted(weights) if "running_" not in name])


@pytest.mark.parametrize("backend", BACKENDS)
def test_three_processes_are_one_and_another_number_goes_on(backend: str, tmp_path: Path) -> None:
    """Uneven shares of parts and of the three validation pictures; scores to the last count."""
    require(backend)
    text = configuration(NETWORK)
    losses, _, confusion = trained(backend, text, 1, tmp_path / "one")
    for world in (2, 3):
        found, _, counts = trained(backend, text, world, tmp_path / str(world))
        np.testing.assert_allclose(found, losses, rtol=1e-9)
        assert counts == confusion
    short = json.loads(text)
    short["train"]["iterations"] = 1
    trained(backend, json.dumps(short), 2, tmp_path / "resumed")
    arguments = ["--run", tmp_path / "resumed" / "run", "--resume", "--set", "train.iterations=3"]
    launchers.run(backend, "train", arguments, 3, tmp_path / "resumed" / "again")
    records = RunDirectory(tmp_path / "resumed" / "run").read_metrics()
    np.testing.assert_allclose([record["heads"] for record in records if "heads" in record], losses, rtol=1e-9)
    whole = flat(tmp_path / "one")
    assert np.abs(flat(tmp_path / "resumed") - whole).max() <= 1e-9 * np.abs(whole).max()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_killed_process_ends_the_job(backend: str, tmp_path: Path) -> None:
    """And the run directory is whole: it goes on."""
    require(backend)
    settings = json.loads(configuration(NETWORK))
    settings["train"] |= {"iterations": 10_000, "checkpoint_interval": 1, "log_interval": 1, "eval_interval": 0}
    (tmp_path / "run.yaml").write_text(json.dumps(settings))
    arguments = ["--cfg", tmp_path / "run.yaml", "--run", tmp_path / "run"]
    log = tmp_path / "output.txt"
    with launchers.started(launchers.members(backend, "train", arguments, 2, tmp_path), log) as running:
        last = time.monotonic() + 120
        while "iteration 2/" not in log.read_text(errors="replace"):
            assert time.monotonic() < last, log.read_text(errors="replace")[-3000:]
            time.sleep(0.2)
        os.kill(victim(backend, [process.pid for process in running]), signal.SIGKILL)
        statuses = [process.wait(60) for process in running]
    said = log.read_text(errors="replace")
    assert all(statuses), said
    assert re.search("has ended|terminated by SIGTERM", said), said[-3000:]
    directory = RunDirectory(tmp_path / "run")
    done = load_checkpoint(directory.last).iteration
    assert done >= 1
    more = ["--run", tmp_path / "run", "--resume", "--set", f"train.iterations={done + 1}"]
    launchers.run(backend, "train", more, 1, tmp_path / "more")


def victim(backend: str, members: list[int]) -> int:
    """The process that trains as number 1: the second worker, or the second that the launcher has started."""
    if len(members) > 1:
        return members[1]
    children = Path(f"/proc/{members[0]}/task/{members[0]}/children").read_text().split()
    training = [int(pid) for pid in children if b"backends" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return training[-1]

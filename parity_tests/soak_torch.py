"""A soak of kills: `python -m parity_tests.soak_torch --kills 1000` kills tiny trainings at random.

A run is started, killed with SIGKILL (one of its processes; the others must end) and resumed, until it is
done; then its weights, its optimizer's state and its records are bit for bit those of a run that nobody killed. Run
after run, until there were as many kills as asked for. In PyTorch, which is imported once: each start is a fork of this
process; of two one is killed and the other gets SIGTERM, as torchrun does.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from core.checkpoint import RunDirectory, load_checkpoint
from core.errors import SegParityError
from core.safetensors import load
from parity_tests import launchers

SETTINGS = {
    "seed": 3,
    "model.preset": "fast_scnn_tiny",
    "data.options": "{size: [72, 104], train: 6, val: 2}",
    "transform.crop": "[32, 32]",
    "train.batch_size": 4,
    "train.iterations": 12,
    "train.checkpoint_interval": 2,
    "train.eval_interval": 4,
    "train.log_interval": 1,
    "train.sample_predictions": 1,
    "loss.kind": "ohem",
    "loss.min_kept": 500,
}
LIMIT = 60.0  # seconds in which processes must have ended whose partner was killed


class Soaked(SegParityError):
    """A run is not what it was to be."""


def arguments(folder: Path) -> list[str]:
    """Of the `train` job: a run's start, or where it stands already, its resumption."""
    run = ["--run", str(folder / "run")]
    if (folder / "run" / "config.yaml").exists():
        return [*run, "--resume"]
    return [*run, *itertools.chain.from_iterable(("--set", f"{key}={value}") for key, value in SETTINGS.items())]


def forked(main: Callable[[Sequence[str]], int], folder: Path, world: int) -> list[int]:
    """Starts the job in `world` forks of this process; their numbers."""
    started, port = [], launchers.free_port()
    for rank in range(world):
        child = os.fork()
        if child == 0:
            status = 70
            try:
                if world > 1:
                    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1"}
                    os.environ["MASTER_PORT"] = str(port)
                output = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(output, 1)
                os.dup2(output, 2)
                status = main([*arguments(folder), "--device", "cpu"])
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        started.append(child)
    return started


def ended(processes: list[int], until: float) -> list[int] | None:
    """The statuses of all of them, as they are waited for until a time of the monotonic clock."""
    statuses: dict[int, int] = {}
    while len(statuses) < len(processes):
        for process in set(processes) - set(statuses):
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                statuses[process] = os.waitstatus_to_exitcode(status)
        if len(statuses) < len(processes):
            if time.monotonic() > until:
                for process in set(processes) - set(statuses):
                    os.kill(process, signal.SIGKILL)
                    os.waitpid(process, 0)
                return None
            time.sleep(0.005)
    return [statuses[process] for process in processes]


def once(main: Callable[[Sequence[str]], int], folder: Path, world: int, delay: float, rng: random.Random) -> bool:
    """One start, killed after `delay` seconds unless it has ended; whether it was killed."""
    processes = forked(main, folder, world)
    first = time.monotonic()
    while time.monotonic() < first + delay:
        time.sleep(0.002)
    victim = rng.choice(processes)
    os.kill(victim, signal.SIGKILL)  # of one that has ended nothing but its status is left: nothing happens
    for process in set(processes) - {victim}:
        os.kill(process, signal.SIGTERM)  # as torchrun does
    statuses = ended(processes, time.monotonic() + LIMIT)
    said = (folder / "output.txt").read_text(errors="replace")[-2000:]
    if statuses is None:
        raise Soaked(f"{folder}: a process was killed, and {LIMIT:.0f} s later another still waited\n{said}")
    if -signal.SIGKILL not in statuses and statuses[processes.index(victim)] != 0:
        raise Soaked(f"{folder}: ended with {statuses}\n{said}")
    return -signal.SIGKILL in statuses


def difference(one: Path, other: Path) -> str | None:
    """What differs between two finished runs."""
    ours, theirs = (load(RunDirectory(folder / "run").last) for folder in (one, other))
    for name in ours.arrays:
        if ours.arrays[name].tobytes() != theirs.arrays[name].tobytes():
            return f"last.safetensors: {name}"
    records = [RunDirectory(folder / "run").read_metrics() for folder in (one, other)]
    if records[0] != records[1]:
        return "metrics.jsonl"
    best = [load_checkpoint(RunDirectory(folder / "run").best).iteration for folder in (one, other)]
    return None if best[0] == best[1] else "best.safetensors"


def soak(world: int, kills: int, seed: int, seconds: float) -> tuple[int, int]:
    """Kills and finished runs. Raises Soaked."""
    import torch

    from backends.torch.train import main

    torch.set_num_threads(1)
    rng, count, runs = random.Random(seed), 0, 0
    last = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="segparity-soak-") as name:
        root = Path(name)
        (root / "whole").mkdir()
        begun = time.monotonic()
        statuses = ended(forked(main, root / "whole", world), begun + 10 * LIMIT)
        length = time.monotonic() - begun
        if statuses is None or any(statuses):
            raise Soaked(f"the run that nobody kills ended with {statuses}: {(root / 'whole/output.txt').read_text()}")
        while count < kills and time.monotonic() < last:
            folder = root / str(runs)
            folder.mkdir()
            reach = 1.2 * length
            while not _finished(folder):
                stood = _stands(folder)
                count += once(main, folder, world, rng.uniform(0, reach), rng)
                if _stands(folder) == stood:
                    reach *= 1.2  # the machine has become slower: a run that is always killed too early never ends
            wrong = difference(root / "whole", folder)
            if wrong:
                raise Soaked(f"seed {seed}, run {runs} of {world} processes, after {count} kills in all: {wrong}")
            runs += 1
    return count, runs


def _stands(folder: Path) -> int | None:
    """The iteration of the run's last checkpoint."""
    last = RunDirectory(folder / "run").last
    return load_checkpoint(last).iteration if last.exists() else None


def _finished(folder: Path) -> bool:
    """Whether the run was done to its last validation."""
    directory = RunDirectory(folder / "run")
    if not directory.config.exists():
        return False
    records = [record for record in directory.read_metrics() if "miou" in record]
    return bool(records) and records[-1]["iteration"] == SETTINGS["train.iterations"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m parity_tests.soak_torch", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000, help="of each number of processes")
    parser.add_argument("--processes", default="1,2", help="numbers of processes, separated by commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long, with each number")
    options = parser.parse_args()
    try:
        for world in map(int, options.processes.split(",")):
            count, runs = soak(world, options.kills, options.seed, options.seconds)
            print(f"{world} processes: {count} kills, {runs} runs bit for bit as if nobody had killed them", flush=True)
    except SegParityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

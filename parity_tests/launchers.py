"""Jobs in several processes on this machine, each started by its framework's own launcher."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from core.description import FOLDER, interpreter
from core.signals import describe_end

ROOT = FOLDER.parent
LIMIT = 300  # seconds that a job of these tests may take


@dataclass(frozen=True)
class Member:
    """A process to start: its command and what it finds in its environment."""

    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


class JobFailed(Exception):
    """A process ended with another status than 0; what all of them said."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def members(backend: str, job: str, arguments: Sequence[object], world: int, folder: Path) -> list[Member]:
    """What is started for `python -m backends.<backend>.<job> <arguments>` in `world` processes on the processor.

    folder: for the launcher's own files. Of several members the first is the one that decides.
    """
    python, module = interpreter(backend), f"backends.{backend}.{job}"
    given = [*map(str, arguments), "--device", "cpu"]
    if world == 1:
        return [Member([python, "-m", module, *given])]
    if backend == "torch":
        launcher = ["torch.distributed.run", "--nproc_per_node", str(world), "--master_port", str(free_port())]
        return [Member([python, "-m", *launcher, "-m", "--", module, *given])]
    if backend == "paddle":
        launcher = ["paddle.distributed.launch", "--nproc_per_node", str(world), "--log_dir", str(folder / "log")]
        return [Member([python, "-m", *launcher, str(FOLDER / backend / f"{job}.py"), *given])]
    common = {
        "DMLC_PS_ROOT_URI": "127.0.0.1",
        "DMLC_PS_ROOT_PORT": str(free_port()),
        "DMLC_NUM_SERVER": "1",
        "DMLC_NUM_WORKER": str(world),
    }
    roles = ["worker"] * world + ["server", "scheduler"]
    return [Member([python, "-m", module, *given], {**common, "DMLC_ROLE": role}) for role in roles]


@contextmanager
def started(job: Sequence[Member], log: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes of a job, each the leader of a group of its own; what is left of them is killed at the end."""
    running: list[subprocess.Popen[bytes]] = []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with open(log, "wb") as output:
        try:
            for member in job:
                running.append(
                    subprocess.Popen(
                        member.command,
                        env={**environment, **member.environment},
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                        cwd=log.parent,
                    )
                )
            yield running
        finally:
            for process in running:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def run(backend: str, job: str, arguments: Sequence[object], world: int, folder: Path) -> str:
    """Runs a job to its end and gives what it said. Raises JobFailed where a process did not end well."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "output.txt"
    with started(members(backend, job, arguments, world, folder), log) as running:
        statuses = [process.wait(LIMIT) for process in running]
    said = log.read_text(errors="replace")
    if any(statuses):
        ends = ", ".join(describe_end(status) for status in statuses)
        raise JobFailed(f"{backend} {job} in {world} processes: {ends}\n{said[-4000:]}")
    return said

"""The demonstration's runs: the commands a user types, several at a time, each one's output in a log."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import SegParityError
from core.signals import describe_end

TAIL = 30  # lines of a failed command's log that are shown


@dataclass(frozen=True)
class Command:
    """`python -m module arguments…`; `title` names its log and its lines on the screen."""

    title: str
    module: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return shlex.join(["python", "-m", self.module, *self.arguments])


def job(title: str, backend: str, name: str, *arguments: object, fault: str | None = None) -> Command:
    """A backend's job; with `fault`, the same in a process that is broken on purpose (parity_tests.faults)."""
    given = tuple(map(str, arguments))
    if fault is None:
        return Command(title, f"backends.{backend}.{name}", given)
    return Command(title, "parity_tests.faults", (fault, backend, name, *given))


@dataclass
class Runner:
    """Runs commands in `slots` processes at a time, each with `threads` threads: the cores, shared out.

    One thread each and several at a time is faster than one after the other with several threads: much of an
    iteration has no work for a second one.
    """

    logs: Path
    slots: int = 1
    threads: int = 1
    seconds: dict[str, float] = field(default_factory=dict)  # wall time by title
    _running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: bool = False

    @classmethod
    def for_machine(cls, logs: Path, most: int) -> Runner:
        """As many processes as there are cores, at most `most`."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        slots = max(1, min(cores, most))
        return cls(logs, slots, max(1, cores // slots))

    def chains(self, chains: Sequence[Callable[[], None]]) -> None:
        """Carries out several sequences of commands. The first failure stops them all and is raised."""
        with ThreadPoolExecutor(max_workers=self.slots) as pool:
            futures = [pool.submit(chain) for chain in chains]
            try:
                for done in as_completed(futures):
                    done.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                self._stop()
                raise

    def __call__(self, command: Command) -> None:
        """Raises SegParityError with the end of the log where the command fails."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{command.title.replace(' ', '_')}.log"
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads), "PYTHONUNBUFFERED": "1"}
        print(f"{command.title:<28} $ {command}", flush=True)
        start = time.perf_counter()
        with open(log, "wb") as written:
            with self._lock:
                if self._stopped:
                    raise SegParityError("stopped")
                process = subprocess.Popen(
                    [sys.executable, "-m", command.module, *command.arguments],
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
                self._running.add(process)
            assert process.stdout is not None
            for line in process.stdout:
                written.write(line)
                if line.startswith(b"iteration "):
                    print(f"{command.title:<28} {line.decode(errors='replace').rstrip()}", flush=True)
            status = process.wait()
        with self._lock:
            self._running.discard(process)
        self.seconds[command.title] = round(time.perf_counter() - start, 1)
        if status != 0:
            raise SegParityError(f"{command} {describe_end(status)}; {log} ends:\n{_tail(log)}")

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
    return "\n".join(f"    {line}" for line in lines)

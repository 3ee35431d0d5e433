"""The candidates' processes as the driver sees them, and the rounds in which they take turns."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmarks.cases import Candidate, Case, thread_environment
from core.signals import describe_end

ROOT = Path(__file__).resolve().parents[1]
SETTLE = 0.3  # seconds between turns: thread pools of the one before stop spinning
WARM_UP = (3.0, 1)  # seconds and least number of iterations that are not counted
PATIENCE = 300.0  # seconds


class CandidateError(Exception):
    """A candidate cannot be measured; the text is the reason."""


@dataclass
class Measurement:
    """What one candidate gave in one case: each turn's iterations in ms, or the reason why there is nothing."""

    candidate: Candidate
    turns_ms: list[list[float]] = field(default_factory=list)
    peak_mib: float | None = None
    baseline_mib: float | None = None
    parameters: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    failure: str | None = None


class Worker(Protocol):
    """A started candidate."""

    def ready(self) -> dict[str, Any]:
        """Waits until the network is built; what the candidate said about itself. Raises CandidateError."""

    def turn(self, seconds: float, least: int) -> dict[str, Any]:
        """A turn's `times_ms` and `peak_mib`. Raises CandidateError."""

    def close(self) -> None: ...


class Process:
    """A candidate's process (benchmarks.worker). It imports and builds while the caller does other things.

    patience: seconds without an answer after which it is given up.
    """

    @classmethod
    def start(cls, candidate: Candidate, case: Case, peers: Path | None, threads: int | None = None) -> Process:
        command = [sys.executable, "-m", "benchmarks.worker", case.name, candidate.name]
        if peers is not None:
            command += ["--peers", str(peers)]
        return cls(command, {**thread_environment(threads), **candidate.environment})

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], patience: float = PATIENCE) -> None:
        self.patience = patience
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (closed in close)
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        self.replies: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.replies.put(line)
        self.replies.put("")

    def _reply(self, event: str) -> dict[str, Any]:
        try:
            line = self.replies.get(timeout=self.patience)
        except queue.Empty:
            raise CandidateError(f"no answer in {self.patience:.0f} s ({event})") from None
        if not line:
            raise CandidateError(self._death())
        message: dict[str, Any] = json.loads(line)
        if message["event"] != event:
            raise CandidateError(str(message.get("reason", f"said {message['event']}, expected {event}")))
        return message

    def _death(self) -> str:
        """Why the process ended: the signal or status, and the last line it wrote."""
        status = self.process.wait()
        self.log.seek(0)
        lines = [line.strip() for line in self.log if line.strip()]
        how = describe_end(status)
        return f"{how}: {lines[-1][:200]}" if lines else how

    def ready(self) -> dict[str, Any]:
        return {**self._reply("imported"), **self._reply("built")}

    def turn(self, seconds: float, least: int) -> dict[str, Any]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"seconds": seconds, "least": least}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise CandidateError(self._death()) from None
        return self._reply("turn")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


def take_turns(
    candidates: Sequence[Candidate],
    start: Callable[[Candidate], Worker],
    rounds: int,
    seconds: float,
    limit: float = float("inf"),
    say: Callable[[str], None] = lambda text: None,
) -> list[Measurement]:
    """A, B, C, A, B, C, …: one turn each per round, so that a change in the machine's speed meets all alike.

    seconds: length of a turn; at least one iteration. After `limit` seconds no further round begins, once there are
    two. A candidate that fails is left out of the rounds after; the others go on.
    """
    begin = time.monotonic()
    measurements = [Measurement(candidate) for candidate in candidates]
    workers = [start(candidate) for candidate in candidates]

    def attempt(measurement: Measurement, action: Callable[[], None]) -> None:
        if measurement.failure is None:
            try:
                action()
            except CandidateError as error:
                measurement.failure = str(error)
                say(f"{measurement.candidate.name}: {error}")

    def make_ready(measurement: Measurement, worker: Worker) -> None:
        told = worker.ready()
        measurement.parameters, measurement.versions = told["parameters"], told["versions"]
        measurement.baseline_mib = told["baseline_mib"]

    def take_turn(measurement: Measurement, worker: Worker) -> None:
        figures = worker.turn(seconds, 1)
        measurement.turns_ms.append(figures["times_ms"])
        measurement.peak_mib = figures["peak_mib"]

    pairs = list(zip(measurements, workers))
    try:
        for measurement, worker in pairs:
            attempt(measurement, lambda m=measurement, w=worker: make_ready(m, w))  # type: ignore[misc]
        for measurement, worker in pairs:
            attempt(measurement, lambda w=worker: w.turn(*WARM_UP) and None)  # type: ignore[misc]
        for done in range(rounds):
            if done >= 2 and time.monotonic() - begin > limit:
                say(f"{limit:.0f} s are over: {done} rounds of {rounds}")
                break
            for measurement, worker in pairs:
                time.sleep(SETTLE)
                attempt(measurement, lambda m=measurement, w=worker: take_turn(m, w))  # type: ignore[misc]
    finally:
        for worker in workers:
            worker.close()
    return measurements

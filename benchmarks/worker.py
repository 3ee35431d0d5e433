"""One candidate in a process of its own: `python -m benchmarks.worker CASE CANDIDATE [--peers DIR]`.

Lines of JSON on standard output: what was imported, then what was built. After that each line on standard input gives
the seconds of a turn, and is answered with the turn's figures. Whatever goes wrong is answered with the reason.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from backends.jobs.door import load_backend
from benchmarks import backends
from benchmarks.cases import NUM_CLASSES, Candidate, Case, find_candidate, find_case
from core.description import descriptions

Reply = Callable[[dict[str, Any]], None]


def status_mib(key: str) -> float:
    """A memory figure of this process from /proc: VmRSS (resident now), VmHWM (its peak)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise KeyError(key)


def reset_peak() -> None:
    """From now on VmHWM is the peak since this moment."""
    Path("/proc/self/clear_refs").write_text("5")


def turn(step: Callable[[], None], seconds: float, least: int = 1) -> list[float]:
    """Milliseconds of each iteration: as many as fit into `seconds`, at least `least`."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - start))
    return times


def prepare(candidate: Candidate, case: Case) -> Callable[[], tuple[Callable[[], None], int]]:
    """Imports framework and package; what is returned builds the network."""
    if candidate.module.startswith("backends."):
        backend = load_backend(candidate.framework)
        return lambda: backends.build(candidate.build, case, backend)
    peers = importlib.import_module(candidate.module)
    peers.import_package(candidate.build)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((case.batch, 3, *case.size), dtype=np.float32)
    labels = rng.integers(0, NUM_CLASSES, (case.batch, *case.size))
    return lambda: peers.build_step(candidate.build, case.mode, images, labels)


def versions(candidate: Candidate) -> dict[str, str]:
    frameworks = descriptions()
    names = [frameworks[candidate.framework].package] if candidate.framework in frameworks else []
    module = sys.modules.get(candidate.module)
    packages: dict[str, str] = getattr(module, "PACKAGES", {})
    names += [name for prefix, name in packages.items() if candidate.build.startswith(prefix)]
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def serve(candidate: Candidate, case: Case, turns: Iterable[str], reply: Reply) -> None:
    """Answers until `turns` ends."""
    build = prepare(candidate, case)
    baseline = status_mib("VmRSS")
    reply({"event": "imported", "versions": versions(candidate), "baseline_mib": baseline})
    step, parameters = build()
    reply({"event": "built", "parameters": parameters})
    reset_peak()
    for line in turns:
        order = json.loads(line)
        times = turn(step, order["seconds"], order["least"])
        reply({"event": "turn", "times_ms": times, "peak_mib": status_mib("VmHWM") - baseline})


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker", description=__doc__)
    parser.add_argument("case")
    parser.add_argument("candidate")
    parser.add_argument("--peers", type=Path, help="folder that the public packages were installed to")
    arguments = parser.parse_args()
    case = find_case(arguments.case)
    candidate = find_candidate(case.network, arguments.candidate)
    if arguments.peers is not None:
        sys.path.append(str(arguments.peers))  # last, so that nothing of the environment is shadowed

    # Packages print: standard output is kept for the replies, theirs goes to standard error.
    replies: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def reply(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=replies, flush=True)

    try:
        serve(candidate, case, sys.stdin, reply)
    except Exception as error:
        text = str(error).strip().splitlines()
        reply({"event": "failed", "reason": f"{type(error).__name__}: {text[0] if text else ''}".rstrip(": ")})
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())

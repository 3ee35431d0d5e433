"""Measure the backends beside public peers: `python -m benchmarks --peers build/bench-peers`."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.cases import CANDIDATES, CASES, Candidate, Case, thread_environment
from benchmarks.processes import Process, take_turns
from benchmarks.table import LEGEND, markdown, rows, to_json
from core.files import write_text


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peers", type=Path, metavar="DIR", help="folder that requirements.txt was installed to")
    parser.add_argument("--output", type=Path, default=Path("report/benchmarks"), metavar="DIR")
    parser.add_argument("--cases", nargs="+", choices=[case.name for case in CASES], metavar="CASE")
    parser.add_argument("--candidates", nargs="+", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--rounds", type=int, help="turns of each candidate (default: the case's)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn; at least one iteration (default: 1)")
    parser.add_argument("--limit", type=float, default=240, help="seconds after which a case ends (default: 240)")
    parser.add_argument("--threads", type=int, help="of each candidate (default: the processors there are)")
    options = parser.parse_args(arguments)
    names = {candidate.name for network in CANDIDATES.values() for candidate in network}
    unknown = set(options.candidates or ()) - names
    if unknown:
        parser.error(f"no candidate {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}")
    return options


def machine(threads: int | None) -> dict[str, Any]:
    model = ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else ""
    return {
        "processor": model or platform.processor(),
        "threads": int(thread_environment(threads)["OMP_NUM_THREADS"]),
        "python": platform.python_version(),
    }


def measure(case: Case, options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    wanted = options.candidates
    candidates = [c for c in CANDIDATES[case.network] if wanted is None or c.name in wanted]
    print(f"{case.title}, {case.shape}: {', '.join(c.name for c in candidates)}", file=sys.stderr, flush=True)

    def start(candidate: Candidate) -> Process:
        return Process.start(candidate, case, options.peers and options.peers.resolve(), options.threads)

    measurements = take_turns(
        candidates,
        start,
        options.rounds or case.rounds,
        options.seconds,
        options.limit,
        say=lambda text: print(f"  {text}", file=sys.stderr, flush=True),
    )
    return markdown(case, rows(measurements)), to_json(case, measurements)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    begin = time.monotonic()
    host = machine(options.threads)
    texts = [f"# Benchmarks\n\n{host['processor']}, {host['threads']} threads, float32.\n\n{LEGEND}\n"]
    results: list[dict[str, Any]] = []
    for case in CASES:
        if options.cases is None or case.name in options.cases:
            text, result = measure(case, options)
            texts.append(text)
            results.append(result)
            print(f"\n{text}", flush=True)
            _write(options.output / "benchmarks.md", "\n".join(texts))
            _write(options.output / "benchmarks.json", json.dumps({"machine": host, "cases": results}, indent=1) + "\n")
    print(f"{options.output}/benchmarks.md, .json after {time.monotonic() - begin:.0f} s", file=sys.stderr)
    return 0


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


if __name__ == "__main__":
    sys.exit(main())

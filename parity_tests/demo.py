"""The demonstration: one config, one seed, every backend; a report with curves, pictures and the table of differences.

    python -m parity_tests.demo [--backends "torch paddle mxnet"] [--cfg FILE] [--set KEY=VALUE] [--out report]

Each backend trains and evaluates in a process of its own, through the same commands a user types.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from core.cli import run as run_job
from core.errors import SegParityError
from parity_tests.demo_report import RunResult, write_report

PACKAGES = {"torch": "torch", "paddle": "paddle", "mxnet": "mxnet"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m parity_tests.demo", description=__doc__.splitlines()[0])
    parser.add_argument("--backends", default="torch paddle mxnet", help="names, separated by blanks or commas")
    parser.add_argument("--cfg", type=Path, default=Path("configs/roadscape/fast_scnn.yaml"))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--runs", type=Path, default=Path("runs/demo"), metavar="DIR", help="where the runs go")
    parser.add_argument("--out", type=Path, default=Path("report"), metavar="DIR", help="where the report goes")
    return run_job(_demo, parser.parse_args(arguments))


def _demo(options: argparse.Namespace) -> None:
    wanted = options.backends.replace(",", " ").split()
    unknown = [name for name in wanted if name not in PACKAGES]
    if unknown:
        raise SegParityError(f"unknown backends {unknown}: {', '.join(PACKAGES)}")
    present = [name for name in wanted if find_spec(PACKAGES[name]) is not None]
    missing = [name for name in PACKAGES if name not in present]
    if not present:
        raise SegParityError(f"none of {wanted} is installed: run `make setup`")
    results = [_train_and_evaluate(name, options) for name in present]
    page = write_report(options.out, options.cfg, results, missing)
    print(f"\nreport: {page}")


def _train_and_evaluate(backend: str, options: argparse.Namespace) -> RunResult:
    """Runs the two commands of a backend; their output is shown as it comes."""
    directory = options.runs / backend
    overrides = [part for text in options.overrides for part in ("--set", text)]
    print(f"\n== {backend} ==", flush=True)
    start = time.perf_counter()
    _call(f"backends.{backend}.train", "--cfg", options.cfg, *overrides, "--run", directory, "--overwrite")
    seconds = time.perf_counter() - start
    scores = directory / "scores.json"
    predictions = directory / "val"
    _call(
        f"backends.{backend}.eval",
        "--run",
        directory,
        "--weights",
        directory / "last.safetensors",
        "--json",
        scores,
        "--save",
        predictions,
    )
    return RunResult(backend, directory, predictions, json.loads(scores.read_text()), seconds)


def _call(module: str, *arguments: object) -> None:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    print("$ python " + " ".join(command[1:]), flush=True)
    if subprocess.run(command, env=os.environ).returncode != 0:
        raise SegParityError(f"{module} failed; its message stands above")


if __name__ == "__main__":
    sys.exit(main())

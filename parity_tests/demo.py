"""The demonstration: one config, one seed, every backend; a report with curves, pictures and the table of differences.

    python -m parity_tests.demo [--backends "torch paddle mxnet"] [--cfg FILE] [--set KEY=VALUE] [--out report] [--twin]

Each backend trains and evaluates in a process of its own, through the same commands a user types. `--twin` trains the
first backend a second time, its initial weights one ulp off: backends that differ by no more differ by rounding.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from backends.jobs.cli import run
from core import safetensors
from core.config import load_config
from core.description import backend_names, descriptions
from core.errors import SegParityError
from core.initialize import initial_state
from parity_tests.cases import one_ulp
from parity_tests.demo_report import RunResult, write_report


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m parity_tests.demo", description=__doc__.splitlines()[0])
    parser.add_argument("--backends", default=" ".join(backend_names()), help="names, separated by blanks or commas")
    parser.add_argument("--cfg", type=Path, default=Path("configs/roadscape/fast_scnn.yaml"))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--runs", type=Path, default=Path("runs/demo"), metavar="DIR", help="where the runs go")
    parser.add_argument("--out", type=Path, default=Path("report"), metavar="DIR", help="where the report goes")
    parser.add_argument("--twin", action="store_true", help="train the first backend again, one ulp off")
    options = parser.parse_args(arguments)
    return run(lambda: _demo(options))


def _demo(options: argparse.Namespace) -> None:
    wanted = options.backends.replace(",", " ").split()
    unknown = [name for name in wanted if name not in descriptions()]
    if unknown:
        raise SegParityError(f"unknown backends {unknown}: {', '.join(backend_names())}")
    present = [name for name in wanted if descriptions()[name].installed]
    missing = [name for name in backend_names() if name not in present]
    if not present:
        raise SegParityError(f"none of {wanted} is installed: run `make setup`")
    results = [_train_and_evaluate(name, name, options) for name in present]
    if options.twin:
        results.append(_train_and_evaluate(f"{present[0]}, one ulp off", present[0], options, _twin_weights(options)))
    page = write_report(options.out, options.cfg, results, missing)
    print(f"\nreport: {page}")


def _twin_weights(options: argparse.Namespace) -> Path:
    """A file of the run's initial weights, each moved to a neighbouring float32."""
    config = load_config(options.cfg, options.overrides)
    spec = config.spec(config.open_dataset(config.data.train).num_classes)
    path: Path = options.runs / "one_ulp_off.safetensors"
    safetensors.save(path, one_ulp(initial_state(spec.parameters(), config.seed), seed=0))
    return path


def _train_and_evaluate(name: str, backend: str, options: argparse.Namespace, weights: Path | None = None) -> RunResult:
    """Runs the two commands of a backend, from `weights` if given; their output is shown as it comes."""
    directory = options.runs / name.replace(", ", "_").replace(" ", "_")
    changes = [part for text in options.overrides for part in ("--set", text)]
    if weights is not None:
        changes += ["--weights", str(weights)]
    print(f"\n== {name} ==", flush=True)
    start = time.perf_counter()
    _call(f"backends.{backend}.train", "--cfg", options.cfg, *changes, "--run", directory, "--overwrite")
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
    return RunResult(name, directory, predictions, json.loads(scores.read_text()), seconds)


def _call(module: str, *arguments: object) -> None:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    print("$ python " + " ".join(command[1:]), flush=True)
    if subprocess.run(command, env=os.environ).returncode != 0:
        raise SegParityError(f"{module} failed; its message stands above")


if __name__ == "__main__":
    sys.exit(main())

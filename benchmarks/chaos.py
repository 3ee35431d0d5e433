"""How far equal trainings separate, and what a difference between two of them means: `python -m benchmarks.chaos`.

Two questions, with the ordinary train command of each framework on drawn street scenes:

1. One framework, one configuration, initial weights one unit in the last place apart: how far apart are the losses?
2. The same seeds in each framework: are the validation scores told apart by anything but chance?

Writes docs/chaos.json (every figure), docs/chaos_*.svg and the tables of docs/chaos.md.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.chaos_page import write_page
from core import safetensors
from core.checkpoint import RunDirectory
from core.config import Config, load_config
from core.description import backend_names, descriptions, interpreter, package_versions
from core.errors import SegParityError
from core.initialize import initial_state, one_ulp

ROOT = Path(__file__).resolve().parents[1]
MOVED = ", one ulp off"  # initial weights, each moved to a neighbouring float32
RATES = (1e-4, 1e-3, 1e-2, 1e-1)
# A network, pictures and batches so small that the whole takes minutes: what is measured is how runs separate, and
# that does not need a good score.
SETTINGS = {
    "model.preset": "fast_scnn_tiny",
    "data.options": "{size: [96, 128], train: 64, val: 16}",
    "transform.crop": "[64, 96]",
    "train.batch_size": "4",
    "train.log_interval": "0",
    "train.checkpoint_interval": "0",
    "train.sample_predictions": "0",
    "train.worst_pictures": "0",
    "optimizer.name": "sgd",
    "optimizer.momentum": "0.9",
}


def settings(**changes: object) -> list[str]:
    """Settings of a run as `key=value`; in the changes' keys, `__` stands for the dot."""
    values = SETTINGS | {key.replace("__", "."): str(value) for key, value in changes.items()}
    return [f"{key}={value}" for key, value in values.items()]


def separation_jobs(folder: Path, iterations: int, rates: Sequence[float]) -> dict[str, list[str]]:
    """Run -> arguments of `train`: at each rate one from the initial weights, one from those one ulp off."""
    jobs = {}
    for rate in rates:
        chosen = settings(optimizer__lr=rate, schedule__policy="constant", train__iterations=iterations)
        for kind, seed in (("own", None), (MOVED, 0)):
            weights = folder / f"{rate:g}{kind}.safetensors"
            state = _initial(load_config(None, chosen))
            safetensors.save(weights, state if seed is None else one_ulp(state, seed))
            jobs[f"{rate:g}/{kind}"] = [*_pairs(chosen), "--weights", str(weights)]
    return jobs


def seed_jobs(folder: Path, iterations: int, seeds: int, moved: bool) -> dict[str, list[str]]:
    """Run -> arguments of `train`: one a seed; `moved`: from initial weights one ulp off."""
    jobs = {}
    warm_up = iterations // 10
    for seed in range(seeds):
        chosen = settings(
            seed=seed, train__iterations=iterations, optimizer__lr=0.05, schedule__warmup_iterations=warm_up
        )
        jobs[f"seed {seed}{MOVED if moved else ''}"] = _pairs(chosen)
        if moved:
            weights = folder / f"seed_{seed}{MOVED}.safetensors"
            safetensors.save(weights, one_ulp(_initial(load_config(None, chosen)), seed))
            jobs[f"seed {seed}{MOVED}"] += ["--weights", str(weights)]
    return jobs


def _pairs(texts: Sequence[str]) -> list[str]:
    return [part for text in texts for part in ("--set", text)]


def _initial(config: Config) -> dict[str, Any]:
    return initial_state(config.spec(config.label_space().num_classes).parameters(), config.seed)


def work(backend: str, jobs: dict[str, list[str]], runs: Path) -> dict[str, Any]:
    """Trains every job in this process, and tells each one's losses and last mIoU."""
    train = importlib.import_module(f"backends.{backend}.train")
    found: dict[str, Any] = {}
    for number, (name, arguments) in enumerate(jobs.items()):
        directory, said = runs / f"{number:03d}", io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            status = train.main([*arguments, "--device", "cpu", "--run", str(directory), "--overwrite"])
        if status:
            raise SegParityError(f"{backend}: {name}: {said.getvalue().strip().splitlines()[-1]}")
        records = RunDirectory(directory).read_metrics()
        losses = [record["loss"] for record in records if "loss" in record]
        found[name] = {"losses": losses, "miou": records[-1]["miou"]}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"runs": found, "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1)}


def ask(backend: str, jobs: dict[str, list[str]], folder: Path) -> dict[str, Any]:
    """`work` in a process of its own, with one thread."""
    runs = folder / backend
    process = subprocess.run(
        [interpreter(backend), "-m", "benchmarks.chaos", "--worker", backend, "--runs", str(runs)],
        input=json.dumps(jobs), capture_output=True, text=True, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    if process.returncode:
        raise SegParityError(f"{backend}: {(process.stderr.strip().splitlines() or ['the process died'])[-1]}")
    answer: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return answer


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All the figures of docs/chaos.json."""
    present = [name for name in backend_names() if descriptions()[name].installed]
    data: dict[str, Any] = {
        "settings": SETTINGS,
        "rates": list(options.rates),
        "separation_iterations": options.iterations,
        "seed_iterations": options.seed_iterations,
        "seeds": options.seeds,
        "versions": package_versions(),
        "separation": {},
        "scores": {},
        "cpu_seconds": {},
    }
    with tempfile.TemporaryDirectory(prefix="segparity-chaos-") as name:
        folder = Path(name)
        apart = separation_jobs(folder, options.iterations, options.rates)
        paired = seed_jobs(folder, options.seed_iterations, options.seeds, moved=False)
        twins = seed_jobs(folder, options.seed_iterations, options.seeds, moved=True)
        asked = {backend: apart | paired | (twins if backend == present[0] else {}) for backend in present}
        with ThreadPoolExecutor(len(present)) as pool:
            answers = dict(zip(present, pool.map(lambda backend: ask(backend, asked[backend], folder), present)))
        for backend, answer in answers.items():
            found = answer["runs"]
            data["separation"][backend] = {
                f"{rate:g}": _gaps(*(found[f"{rate:g}/{kind}"]["losses"] for kind in ("own", MOVED)))
                for rate in options.rates
            }
            data["scores"][backend] = [100 * found[name]["miou"] for name in paired]
            data["cpu_seconds"][backend] = answer["cpu_seconds"]
        data["scores"][present[0] + MOVED] = [100 * answers[present[0]]["runs"][name]["miou"] for name in twins]
    return data


def _gaps(own: Sequence[float], other: Sequence[float]) -> list[float]:
    """The relative difference of two runs' losses at each iteration."""
    return [abs(a - b) / abs(a) for a, b in zip(own, other)]


def parser() -> argparse.ArgumentParser:
    command = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=(__doc__ or "").splitlines()[0])
    command.add_argument("--iterations", type=int, default=120, metavar="N", help="of the runs that separate")
    command.add_argument("--seed-iterations", type=int, default=200, metavar="N", help="of the runs that are scored")
    command.add_argument("--seeds", type=int, default=8, metavar="K", help="runs a framework, 6 to 18")
    command.add_argument("--rates", type=float, nargs="+", default=list(RATES), metavar="LR")
    command.add_argument("--out", type=Path, default=Path("docs"), metavar="DIR", help="where chaos.md lies")
    command.add_argument("--page-only", action="store_true", help="write the page anew from chaos.json")
    command.add_argument("--worker", help=argparse.SUPPRESS)
    command.add_argument("--runs", type=Path, help=argparse.SUPPRESS)
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        if options.worker is not None:
            print(json.dumps(work(options.worker, json.load(sys.stdin), options.runs)))
            return 0
        if not 6 <= options.seeds <= 18:
            raise SegParityError(f"--seeds {options.seeds}: 6 to 18, fewer cannot be told from chance at 5 %")
        figures = options.out / "chaos.json"
        data = json.loads(figures.read_text()) if options.page_only else measure(options)
        write_page(options.out, data)
        print(f"{options.out / 'chaos.md'} and {figures}")
    except SegParityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

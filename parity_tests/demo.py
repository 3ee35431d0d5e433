"""The demonstration: one config, one seed, every framework; proofs first, then curves and pictures.

    python -m parity_tests.demo [--backends "torch paddle mxnet"] [--cfg FILE] [--set KEY=VALUE] [--out report]

The runs go through the commands a user types, each in a process of its own, as many at a time as there are cores. The
first framework trains a second time, its initial weights one ulp off (the twin): frameworks that differ by no more
differ by rounding. Writes index.html, which needs no other file, and demo.json with all the numbers. A proof that
fails makes the exit status 1.

`--fault` breaks one framework on purpose, to see the proofs fail: --fault "torch: channels swapped".
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backends.jobs.cli import run
from core import safetensors
from core.checkpoint import RunDirectory, load_checkpoint
from core.config import Config, dump_config, load_config
from core.data.pipeline import TrainingSamples, collate
from core.description import backend_names, descriptions
from core.errors import SegParityError
from core.initialize import initial_state, one_ulp
from parity_tests.demo_proofs import (
    REFERENCE,
    Proof,
    digest,
    prove_double,
    prove_handover,
    prove_scores,
    prove_start,
)
from parity_tests.demo_report import Demonstration, RunResult, write_report
from parity_tests.demo_runs import Runner, job
from parity_tests.faults import known_faults
from parity_tests.ladder import Fleet

TWIN = "one ulp off"
# A small rate, because a large one amplifies the last bit of a float64 beyond any bound; constants that float32 holds
# exactly, because Paddle and MXNet keep an optimizer's constants as float32. As on rung 8 of the ladder.
DOUBLE = (
    "train.precision=float64",
    "train.checkpoint_interval=0",
    "optimizer={name: sgd, lr: 0.001953125, momentum: 0.875, weight_decay: 0.00048828125}",
    "schedule={policy: constant, warmup_iterations: 0}",
)


@dataclass
class Demo:
    """The plan: where everything lies and which command makes it."""

    options: argparse.Namespace
    present: list[str]
    missing: list[str]
    runner: Runner
    config: Config
    commands: dict[str, list[str]] = field(default_factory=dict)  # by proof

    @property
    def runs(self) -> Path:
        path: Path = self.options.runs
        return path

    @property
    def half(self) -> int:
        return max(1, self.options.steps // 2)

    def result(self, name: str) -> Path:
        """The directory of a float32 training."""
        return self.runs / name.replace(" ", "_")

    def _run(self, proof: str, title: str, backend: str, name: str, *arguments: object) -> None:
        broken, _, fault = (self.options.fault or "").partition(":")
        command = job(title, backend, name, *arguments, fault=fault.strip() if broken == backend else None)
        self.commands.setdefault(proof, []).append(str(command))
        self.runner(command)

    def _train(self, proof: str, title: str, backend: str, directory: Path, *changes: object) -> None:
        settings = [part for text in self.options.overrides for part in ("--set", text)]
        self._run(
            proof, title, backend, "train", "--cfg", self.options.cfg, *settings, *changes, "--run", directory,
            "--overwrite",
        )  # fmt: skip

    def double(self, backend: str) -> None:
        """A training in float64."""
        steps = ("--set", f"train.iterations={self.options.steps}")
        changes = [part for text in DOUBLE for part in ("--set", text)]
        self._train("double", f"{backend} float64", backend, self.runs / "float64" / backend, *changes, *steps)

    def handover(self) -> None:
        """The first framework begins a run in float64; every framework finishes a copy of it."""
        began, folder = self.present[0], self.runs / "handover"
        changes = [part for text in DOUBLE for part in ("--set", text)]
        shutil.rmtree(folder, ignore_errors=True)
        begun = folder / "begun"
        self._train("handover", f"{began} begins", began, begun, *changes, "--set", f"train.iterations={self.half}")
        for backend in self.present:
            shutil.copytree(begun, folder / backend)
            self.commands["handover"].append(f"cp -r {begun} {folder / backend}")
            whole = f"train.iterations={self.options.steps}"
            self._run(
                "handover",
                f"{backend} finishes",
                backend,
                "train",
                "--run",
                folder / backend,
                "--resume",
                "--set",
                whole,
            )

    def train(self, name: str, backend: str) -> None:
        """A training in float32; the twin's from weights one ulp off."""
        weights = ("--weights", self._twin_weights()) if name == TWIN else ()
        self._train("curves", name, backend, self.result(name), *weights)

    def score(self, name: str, backend: str) -> None:
        """A trained checkpoint scored, its label maps written."""
        directory = self.result(name)
        self._run(
            "scores" if name != TWIN else "curves", f"{name} in {backend}", backend, "eval", "--run", directory,
            "--weights", directory / "last.safetensors", "--json", self._scores(name, backend),
            "--save", self.maps(name, backend),
        )  # fmt: skip

    def _scores(self, name: str, backend: str) -> Path:
        return self.result(name) / f"scored_in_{backend}.json"

    def maps(self, name: str, backend: str) -> Path:
        return self.result(name) / f"labels_by_{backend}"

    def read_scores(self, name: str, backend: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._scores(name, backend).read_text(encoding="utf-8"))
        return found

    def run_result(self, name: str, backend: str) -> RunResult:
        """A float32 run, read back from its directory."""
        directory = self.result(name)
        weights = load_checkpoint(RunDirectory(directory).last).weights
        losses, seconds = read_losses(directory), self.runner.seconds[name]
        return RunResult(
            name, backend, self.maps(name, backend), self.read_scores(name, backend), losses, weights, seconds
        )

    def _twin_weights(self) -> Path:
        """A file of the run's initial weights, each moved to a neighbouring float32."""
        path = self.runs / "one_ulp_off.safetensors"
        safetensors.save(path, one_ulp(self._initial(), seed=0))
        return path

    def _initial(self) -> dict[str, np.ndarray]:
        spec = self.config.spec(self.config.open_dataset(self.config.data.train).num_classes)
        return initial_state(spec.parameters(), self.config.seed)

    def trainings(self) -> list[tuple[str, str]]:
        """(name, backend) of the float32 runs."""
        return [(name, name) for name in self.present] + ([(TWIN, self.present[0])] if self.options.twin else [])

    def run_all(self) -> None:
        """Every training and evaluation; the cheap ones first."""

        def trained(name: str, backend: str) -> Callable[[], None]:
            def chain() -> None:
                self.train(name, backend)
                for scorer in self.present if name != TWIN else [backend]:
                    self.score(name, scorer)

            return chain

        self.runs.mkdir(parents=True, exist_ok=True)
        doubles: list[Callable[[], None]] = [lambda b=b: self.double(b) for b in self.present]  # type: ignore[misc]
        # The long ones from the last backend on, which takes longest; the twin, with one score, fills the end.
        longest = [trained(name, name) for name in reversed(self.present)]
        twin = [trained(*names) for names in self.trainings() if names[0] == TWIN]
        self.runner.chains([*doubles, self.handover, *longest, *twin])

    def proofs(self, start: Proof) -> list[Proof]:
        """The verdicts, once everything has run."""
        double = {name: self.runs / "float64" / name for name in self.present}
        losses = {name: read_losses(path) for name, path in double.items()}
        states = {name: load_checkpoint(RunDirectory(path).last).weights for name, path in double.items()}
        finished = {name: read_losses(self.runs / "handover" / name) for name in self.present}
        miou = {
            trained: {s: self.read_scores(trained, s)["metrics"]["mean_iou"] for s in self.present}
            for trained in self.present
        }
        maps = {trained: {s: self.maps(trained, s) for s in self.present} for trained in self.present}
        began = self.present[0]
        return [
            start,
            prove_double(losses, states, sorted(self.commands["double"])),
            prove_scores(miou, maps, sorted(self.commands["scores"])),
            prove_handover(began, self.half, losses[began], finished, self.commands["handover"]),
        ]

    def starting_point(self) -> tuple[Proof, dict[str, str]]:
        """The checksums of initial weights and batches, and the frameworks' versions."""
        config, steps = self.config, self.options.steps
        state = self._initial()
        broken, _, fault = (self.options.fault or "").partition(":")
        found = {REFERENCE: _digests(state, _batches(config, steps))}
        versions = {}
        with Fleet(self.present) as fleet:
            for name in self.present:
                worker = fleet.get(name)
                versions[name] = str(getattr(worker, "framework", name))
                if name == broken:
                    worker.request("fault", name=fault.strip())
                classes = config.open_dataset(config.data.train).num_classes
                worker.request("learner", config=dump_config(config), classes=classes)
                worker.request("learner_load", state)
                own = {k.removeprefix("state/"): a for k, a in worker.request("learner_state")[1].items()}
                found[name] = _digests(own, _native_batches(worker, config, steps))
                print(f"{name:<28} initial weights {found[name]['initial weights'][:12]}, {steps} batches", flush=True)
        digests = {what: {who: found[who][what] for who in found} for what in found[REFERENCE]}
        return prove_start(digests, sum(array.size for array in state.values()), steps), versions


def read_losses(directory: Path) -> list[float]:
    """The training loss of every iteration."""
    return [record["loss"] for record in RunDirectory(directory).read_metrics() if "loss" in record]


def _batches(config: Config, count: int) -> list[dict[str, np.ndarray]]:
    """The first batches by definition, without a framework."""
    size = config.train.batch_size
    dataset = config.open_dataset(config.data.train)
    samples = TrainingSamples(dataset, config.train_transform(), config.seed, size, count)
    stacked = (collate([samples[i * size + j] for j in range(size)]) for i in range(count))
    return [{"images": images, "labels": labels} for images, labels in stacked]


def _native_batches(worker: Any, config: Config, count: int) -> list[dict[str, np.ndarray]]:
    """The same by the framework's own loader."""
    _, found = worker.request("batches", config=dump_config(config), start=0, count=count, workers=0)
    return [{kind: found[f"{i}/{kind}"] for kind in ("images", "labels")} for i in range(count)]


def _digests(state: dict[str, np.ndarray], batches: list[dict[str, np.ndarray]]) -> dict[str, str]:
    """What is compared -> checksum."""
    found = {"initial weights": digest(state)}
    for i in sorted({0, 1, len(batches) - 1} & set(range(len(batches)))):
        found[f"batch {i + 1}: pictures"] = digest({"images": batches[i]["images"]})
        found[f"batch {i + 1}: labels"] = digest({"labels": batches[i]["labels"]})
    found[f"all {len(batches)} batches"] = digest(
        {f"{i:05d}/{kind}": array for i, batch in enumerate(batches) for kind, array in batch.items()}
    )
    return found


def parser() -> argparse.ArgumentParser:
    command = argparse.ArgumentParser(prog="python -m parity_tests.demo", description=__doc__.splitlines()[0])
    command.add_argument("--backends", default=" ".join(backend_names()), help="names, separated by blanks or commas")
    command.add_argument("--cfg", type=Path, default=Path("configs/roadscape/demo.yaml"))
    command.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    command.add_argument("--runs", type=Path, default=Path("runs/demo"), metavar="DIR", help="where the runs go")
    command.add_argument("--out", type=Path, default=Path("report"), metavar="DIR", help="where the report goes")
    command.add_argument("--steps", type=int, default=20, metavar="N", help="iterations in float64, batches hashed")
    command.add_argument(
        "--twin",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="train the first framework again, one ulp off",
    )
    command.add_argument("--fault", metavar="BACKEND:FAULT", help='break one on purpose: "torch: channels swapped"')
    return command


def main(arguments: list[str] | None = None) -> int:
    """0: every proof stands; 1: one fails; 2: something else went wrong."""
    options = parser().parse_args(arguments)
    proofs: list[Proof] = []
    status = run(lambda: proofs.extend(_demonstrate(options)))
    return status or int(any(proof.ok is False for proof in proofs))


def _demonstrate(options: argparse.Namespace) -> list[Proof]:
    begun = time.perf_counter()
    wanted = options.backends.replace(",", " ").split()
    unknown = [name for name in wanted if name not in descriptions()]
    if unknown:
        raise SegParityError(f"unknown backends {unknown}: {', '.join(backend_names())}")
    present = [name for name in wanted if descriptions()[name].installed]
    if not present:
        raise SegParityError(f"none of {wanted} is installed: run `make setup`")
    if options.steps < 2:
        raise SegParityError(f"--steps {options.steps}: a run that is stopped half-way has at least 2")
    _check_fault(options.fault, present)
    trainings = len(present) + options.twin
    config = load_config(options.cfg, options.overrides)
    runner = Runner.for_machine(options.runs / "logs", trainings)
    demo = Demo(options, present, [name for name in backend_names() if name not in present], runner, config)
    start, versions = demo.starting_point()
    demo.run_all()
    proofs = demo.proofs(start)
    results = [demo.run_result(name, backend) for name, backend in demo.trainings()]
    found = Demonstration(
        cfg=options.cfg,
        config=config,
        versions=versions,
        missing=demo.missing,
        proofs=proofs,
        results=results,
        commands=demo.commands,
        fault=options.fault,
        seconds=time.perf_counter() - begun,
        slots=runner.slots,
    )
    page = write_report(options.out, found)
    print()
    for proof in proofs:
        print(f"{proof.verdict:<13}{proof.title}: {proof.figure} {proof.unit}")
    print(f"\nreport: {page} ({found.seconds:.0f} s)")
    return proofs


def _check_fault(fault: str | None, present: list[str]) -> None:
    if fault is None:
        return
    backend, _, name = fault.partition(":")
    if backend not in present:
        raise SegParityError(f"--fault {fault}: expected BACKEND:FAULT, the backend one of {', '.join(present)}")
    if name.strip() not in known_faults(backend):
        raise SegParityError(f"--fault {fault}: {backend} has the faults {', '.join(known_faults(backend))}")


if __name__ == "__main__":
    sys.exit(main())

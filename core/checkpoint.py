"""A run is a directory, and a checkpoint one file in it, written whole or not at all.

    config.yaml            the resolved configuration
    environment.json       versions, machine, command
    metrics.jsonl          one line per iteration, and one per evaluation: repeated, a run writes the same
    evaluations.jsonl      one line per evaluation: the confusion matrix, each picture's score
    timing.jsonl           one line per report: seconds, waiting for data, time left
    last.safetensors       weights, optimizer state and iteration: what `--resume` reads
    best.safetensors       the weights of the best evaluation
    predictions/           sample predictions of each evaluation
    worst/                 the worst pictures of the last evaluation

A checkpoint's tensors have canonical names; those of the optimizer are `optimizer.<slot>.<parameter>`, those of the
weights' moving average `ema.<name>` (`train.ema`; in `best` too). Everything else stands in its metadata, so that any
backend can take up what another has written.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from core import safetensors
from core.errors import CheckpointError, OutputError, WeightsError
from core.files import PARTIAL, atomic_output, naming, write_text
from core.lock import locked

FORMAT = "segparity"
OPTIMIZER = "optimizer."
AVERAGE = "ema."
STAGED = ".new."  # a run on its way into its directory


@dataclass
class Checkpoint:
    """Weights by canonical name, the optimizer's tensors by `<slot>.<name>` and what else a run needs to go on.

    average: the weights' moving average by canonical name, where the run keeps one.
    """

    weights: dict[str, np.ndarray]
    optimizer: dict[str, np.ndarray] = field(default_factory=dict)
    iteration: int = 0
    metadata: dict[str, str] = field(default_factory=dict)
    average: dict[str, np.ndarray] = field(default_factory=dict)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes the checkpoint atomically as safetensors."""
    tensors = dict(checkpoint.weights)
    tensors |= {OPTIMIZER + name: value for name, value in checkpoint.optimizer.items()}
    tensors |= {AVERAGE + name: value for name, value in checkpoint.average.items()}
    metadata = {**checkpoint.metadata, "format": FORMAT, "iteration": str(checkpoint.iteration)}
    with atomic_output(path) as file:
        safetensors.write(file, str(path), tensors, metadata)


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads what `save_checkpoint` wrote. Raises CheckpointError if the file is missing, cut or something else."""
    if not path.exists():
        raise CheckpointError(f"{path}: no such checkpoint")
    try:
        tensors = safetensors.load(path)
    except WeightsError as error:
        raise CheckpointError(str(error)) from error
    metadata = dict(tensors.metadata)
    if metadata.get("format") != FORMAT or "iteration" not in metadata:
        raise CheckpointError(f"{path}: is no checkpoint of a run; use --weights to start from its weights")
    optimizer = {n.removeprefix(OPTIMIZER): v for n, v in tensors.items() if n.startswith(OPTIMIZER)}
    average = {n.removeprefix(AVERAGE): v for n, v in tensors.items() if n.startswith(AVERAGE)}
    weights = {n: v for n, v in tensors.items() if not n.startswith((OPTIMIZER, AVERAGE))}
    return Checkpoint(weights, optimizer, int(metadata["iteration"]), metadata, average)


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a file with a JSON object a line, up to one that a kill has cut; none where there is no file."""
    records: list[dict[str, Any]] = []
    if not path.exists():
        return records
    for line in path.read_bytes().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            break
        if not isinstance(record, dict) or not isinstance(record.get("iteration"), int):
            break
        records.append(record)
    return records


class RunDirectory:
    """The files of one run. Create a new one or open the one to resume; the constructor does neither.

    Of a run's processes the leading one alone `writes`: with the others, what would write does nothing.
    """

    def __init__(self, path: str | Path, writes: bool = True) -> None:
        self.path, self.writes = Path(path), writes
        self.config = self.path / "config.yaml"
        self.environment = self.path / "environment.json"
        self.metrics = self.path / "metrics.jsonl"
        self.evaluations = self.path / "evaluations.jsonl"
        self.timing = self.path / "timing.jsonl"
        self.skipped = self.path / "skipped.txt"
        self.last = self.path / "last.safetensors"
        self.best = self.path / "best.safetensors"
        self.predictions = self.path / "predictions"
        self.worst = self.path / "worst"
        self.events = self.path / "tensorboard"

    def check_free(self, overwrite: bool) -> None:
        """Raises CheckpointError if no new run may be made here: a file is in the way, or a run without `overwrite`."""
        if self.path.exists() and not self.path.is_dir():
            raise CheckpointError(f"{self.path}: is a file; --run needs a folder")
        if not overwrite and any(file.exists() for file in (self.config, self.last, self.best, self.metrics)):
            raise CheckpointError(
                f"{self.path}: already holds a run; continue it with --resume, replace it with --overwrite, or choose "
                "another directory with --run"
            )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Makes the directory and keeps every other process from running in it.

        Raises CheckpointError if one does, OutputError if the directory cannot be made.
        """
        if not self.writes:
            yield
            return
        with naming(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with locked(self.path / ".lock", f"{self.path}: another process trains in it"):
            self._sweep()
            yield

    def create(
        self, config: str, environment: Mapping[str, Any], checkpoint: Checkpoint, *, overwrite: bool = False
    ) -> None:
        """Puts a new run here, complete from its first state on. Everything is written before anything is replaced.

        Raises CheckpointError as `check_free` does, OutputError if the disk does not take it.
        """
        if not self.writes:
            return
        self.check_free(overwrite)
        with naming(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=STAGED, dir=self.path) as folder:
                new = RunDirectory(folder)
                try:
                    save_checkpoint(new.last, checkpoint)
                    new.add_environment(environment)
                    write_text(new.config, config)
                except OutputError as error:
                    raise OutputError(str(error).replace(folder, str(self.path))) from error
                # The configuration goes first and comes last: where it stands, all of one run stands.
                for stale in (self.config, self.best, *self.records):
                    stale.unlink(missing_ok=True)
                for tree in (self.predictions, self.worst, self.events):
                    if tree.is_dir():
                        shutil.rmtree(tree)
                for file in (new.last, new.environment, new.config):
                    os.replace(file, self.path / file.name)

    def open(self) -> None:
        """Raises CheckpointError unless the directory holds a run."""
        if not self.config.exists():
            raise CheckpointError(f"{self.path}: holds no run (no config.yaml)")

    def _sweep(self) -> None:
        """Removes what a killed process left half written."""
        for path in self.path.glob(f"{STAGED}*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.path.glob(f".*{PARTIAL}"):
            path.unlink(missing_ok=True)

    def add_environment(self, environment: Mapping[str, Any]) -> None:
        """Appends to environment.json: one entry per start of the run."""
        if not self.writes:
            return
        try:
            entries = json.loads(self.environment.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            entries = []
        write_text(self.environment, json.dumps([*entries, dict(environment)], indent=1))

    @property
    def records(self) -> tuple[Path, ...]:
        """The files that hold a record a line, each with its `iteration`."""
        return self.metrics, self.evaluations, self.timing

    def read_metrics(self) -> list[dict[str, Any]]:
        """The records of metrics.jsonl so far."""
        return read_records(self.metrics)

    def forget_after(self, iteration: int) -> None:
        """Drops records and predictions of iterations that the resumed run does again."""
        if not self.writes:
            return
        for file in self.records:
            if file.exists() or file == self.metrics:
                kept = [record for record in read_records(file) if record["iteration"] <= iteration]
                write_text(file, "".join(json.dumps(record) + "\n" for record in kept))
        for path in (*self.predictions.glob("*.png"), *self.worst.glob("*.png")):
            number = path.name.partition("_")[0]
            if number.isdigit() and int(number) > iteration:
                path.unlink()

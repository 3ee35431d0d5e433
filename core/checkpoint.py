"""A run is a directory, and a checkpoint one file in it, written whole or not at all.

    config.yaml            the resolved configuration
    environment.json       versions, machine, command
    metrics.jsonl          one line per iteration, and one per evaluation
    last.safetensors       weights, optimizer state and iteration: what `--resume` reads
    best.safetensors       the weights of the best evaluation
    predictions/           sample predictions of each evaluation

A checkpoint's tensors have canonical names; those of the optimizer are `optimizer.<slot>.<parameter>`. Everything else
stands in its metadata, so that any backend can take up what another has written.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core import safetensors
from core.errors import CheckpointError, WeightsError

FORMAT = "segparity"
OPTIMIZER = "optimizer."


@dataclass
class Checkpoint:
    """Weights by canonical name, the optimizer's tensors by `<slot>.<name>` and what else a run needs to go on."""

    weights: dict[str, np.ndarray]
    optimizer: dict[str, np.ndarray] = field(default_factory=dict)
    iteration: int = 0
    metadata: dict[str, str] = field(default_factory=dict)


def write_atomically(path: Path, write: Any) -> None:
    """Calls `write(temporary path)`, then puts the result in `path`'s place in one step, flushed to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    try:
        write(Path(name))
        with open(name, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes the checkpoint atomically as safetensors."""
    tensors = dict(checkpoint.weights)
    tensors |= {OPTIMIZER + name: value for name, value in checkpoint.optimizer.items()}
    metadata = {**checkpoint.metadata, "format": FORMAT, "iteration": str(checkpoint.iteration)}
    write_atomically(path, lambda temporary: safetensors.save(temporary, tensors, metadata))


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
    weights = {n: v for n, v in tensors.items() if not n.startswith(OPTIMIZER)}
    return Checkpoint(weights, optimizer, int(metadata["iteration"]), metadata)


class RunDirectory:
    """The files of one run. Create a new one or open the one to resume; the constructor does neither."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.metrics = self.path / "metrics.jsonl"
        self.last = self.path / "last.safetensors"
        self.best = self.path / "best.safetensors"
        self.predictions = self.path / "predictions"

    def create(self, config: str, environment: Mapping[str, Any], *, overwrite: bool = False) -> None:
        """Makes the directory. Raises CheckpointError if it already holds a run, unless `overwrite`."""
        if self.config.exists() and not overwrite:
            raise CheckpointError(
                f"{self.path}: already holds a run; continue it with --resume, replace it with --overwrite, or choose "
                "another directory with --run"
            )
        for stale in (self.last, self.best, self.metrics):
            stale.unlink(missing_ok=True)
        self.path.mkdir(parents=True, exist_ok=True)
        self.add_environment(environment)
        write_atomically(self.config, lambda path: path.write_text(config, encoding="utf-8"))

    def open(self) -> None:
        """Raises CheckpointError unless the directory holds a run."""
        if not self.config.exists():
            raise CheckpointError(f"{self.path}: holds no run to resume (no config.yaml)")

    def add_environment(self, environment: Mapping[str, Any]) -> None:
        """Appends to environment.json: one entry per start of the run."""
        path = self.path / "environment.json"
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            entries = []
        text = json.dumps([*entries, dict(environment)], indent=1)
        write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def read_metrics(self) -> list[dict[str, Any]]:
        """The records so far; a line cut by a kill is left out."""
        records = []
        if self.metrics.exists():
            for line in self.metrics.read_text(encoding="utf-8").splitlines():
                try:
                    records.append(json.loads(line))
                except ValueError:
                    break
        return records

    def forget_metrics_after(self, iteration: int) -> None:
        """Drops the records of iterations the resumed run does again."""
        kept = [record for record in self.read_metrics() if record["iteration"] <= iteration]
        text = "".join(json.dumps(record) + "\n" for record in kept)
        write_atomically(self.metrics, lambda temporary: temporary.write_text(text, encoding="utf-8"))

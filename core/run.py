"""A run in progress: what it is made of, what it saves, and where it is taken up again."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from core.arch import Spec
from core.backend import Learner
from core.checkpoint import Checkpoint, RunDirectory, load_checkpoint, save_checkpoint
from core.config import Config, dump_config
from core.data import Dataset
from core.errors import CheckpointError
from core.resume import check_length
from core.schema import to_plain
from core.shard import ALONE, Processes, barrier


@dataclass
class Run:
    """A run in progress."""

    config: Config
    spec: Spec
    learner: Learner
    directory: RunDirectory
    train_set: Dataset
    val_set: Dataset
    processes: Processes = ALONE
    iteration: int = 0
    best: float = -1.0
    scored: int = 0  # the last iteration that was validated
    warned: bool = False  # of a batch without labels
    skipped: int = 0  # pictures of which it was said that they are left out

    def metadata(self) -> dict[str, str]:
        """What stands in a checkpoint beside the tensors."""
        return {
            "preset": self.config.model.preset,
            "overrides": json.dumps(self.config.model.overrides),
            "num_classes": str(self.spec.num_classes),
            "dataset": self.train_set.name,
            "classes": json.dumps(self.train_set.classes),
            "normalization": json.dumps(to_plain(self.config.transform.normalize)),
            "origin": f"segparity {self.learner.backend}",
            "config": dump_config(self.config),
            "optimizer": self.config.optimizer.name,
            "best": repr(self.best),
        }

    def checkpoint(self) -> Checkpoint:
        """All that the run needs to go on from where it is."""
        weights, optimizer = self.learner.get_state(), self.learner.get_optimizer_state()
        return Checkpoint(weights, optimizer, self.iteration, self.metadata(), self._average())

    def _average(self) -> dict[str, np.ndarray]:
        return {} if self.learner.average is None else self.learner.average.get_state()

    def save_last(self) -> None:
        if not self.directory.writes:
            return
        save_checkpoint(self.directory.last, self.checkpoint())

    def save_best(self) -> None:
        if not self.directory.writes:
            return
        weights = self.learner.get_state()
        save_checkpoint(self.directory.best, Checkpoint(weights, {}, self.iteration, self.metadata(), self._average()))


def resume(run: Run) -> None:
    """Takes the run up where its last checkpoint stands, whichever backend wrote it."""
    checkpoint = load_checkpoint(run.directory.last)
    check_length(run.config, checkpoint.iteration, run.directory.last)
    written = checkpoint.metadata.get("optimizer")
    if written != run.config.optimizer.name:
        raise CheckpointError(
            f"{run.directory.last}: holds the state of optimizer {written!r}, the configuration asks for "
            f"{run.config.optimizer.name!r}"
        )
    run.learner.set_state(checkpoint.weights)
    run.learner.set_optimizer_state(checkpoint.optimizer, checkpoint.iteration)
    if run.learner.average is not None:
        run.learner.average.set_state(checkpoint.average)
    run.iteration = checkpoint.iteration
    run.directory.forget_after(run.iteration)
    barrier(run.processes)  # all read the same records
    # A checkpoint is written before its weights are scored: the records may know a better score, and whether this
    # iteration has one.
    scored = {record["iteration"]: record["miou"] for record in run.directory.read_metrics() if "miou" in record}
    run.best = max([float(checkpoint.metadata["best"]), *(score for score in scored.values() if score is not None)])
    run.scored = max(scored, default=0)

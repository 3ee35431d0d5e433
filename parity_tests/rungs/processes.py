"""Rung 10: a run of several processes is the run of one, under each framework's own launcher, on the processor."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import ClassVar

import numpy as np

from core.checkpoint import RunDirectory, load_checkpoint
from core.schema import to_plain
from parity_tests import launchers
from parity_tests.cases import CLASSES, Arrays, Case, small_case
from parity_tests.ladder import Asked, Ladder, Outcome, Quantities, Rung
from parity_tests.rungs.training import first_state
from parity_tests.tolerances import ladder_tolerance

STEPS = 3
NETWORK = small_case("fast_scnn_tiny")
# Parts of five pictures: uneven shares of two and of three processes. Constants that float32 holds exactly (rung 8).
RUN = {
    "train": {"batch_size": 10, "accumulation": 2, "iterations": STEPS, "sample_predictions": 0, "worst_pictures": 0},
    "optimizer": {"lr": 2.0**-9, "momentum": 0.875, "weight_decay": 2.0**-11},
    "schedule": {"policy": "constant"},
    "loss": {"kind": "ohem", "threshold": 0.09375, "min_kept": 3000},
}


def configuration(case: Case) -> str:
    """The run, of the network without dropout, whose masks are each process's own."""
    overrides = to_plain(case.spec())
    del overrides["num_classes"]
    settings = json.loads(case.config(RUN))
    settings["model"]["overrides"] = overrides
    settings["data"]["options"]["val"] = 3
    settings["train"]["precision"] = "float64"
    return json.dumps(settings)


def trained(backend: str, text: str, world: int, folder: Path) -> tuple[np.ndarray, Arrays, list[list[int]]]:
    """The losses of a run by the `train` job, the weights at its end, and the confusion matrix of its validation."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.yaml").write_text(text)
    launchers.run(backend, "train", ["--cfg", folder / "run.yaml", "--run", folder / "run"], world, folder)
    directory = RunDirectory(folder / "run")
    losses = np.array([record["heads"] for record in directory.read_metrics() if "heads" in record])
    confusion = json.loads(directory.evaluations.read_text().splitlines()[-1])["confusion"]
    return losses, load_checkpoint(directory.last).weights, confusion


def _flat(weights: Arrays) -> np.ndarray:
    """All learnable tensors in one: of a bias before a batch norm nothing but rounding is ever seen."""
    names = sorted(name for name in weights if not name.endswith(("running_mean", "running_var")))
    return np.concatenate([weights[name].astype(np.float64).ravel() for name in names])


class ProcessesRung(Rung):
    """Losses of each iteration, and the weights at the end, of one process and of several."""

    name = "10 processes"
    question = "Are several processes one run: SyncBN, OHEM over the batch, accumulation, uneven shares?"
    per_case = False
    worlds: ClassVar[tuple[int, ...]] = (2,)

    def collect(self, backend: Asked, case: Case) -> Quantities:
        text = configuration(NETWORK)
        backend.request("learner", config=text, classes=CLASSES, dtype="float64")
        backend.request("learner_load", first_state(NETWORK))
        _, found = backend.request("train", iterations=STEPS)
        _, state = backend.request("learner_state")
        weights = {name.removeprefix("state/"): array for name, array in state.items()}
        quantities: Quantities = {
            "losses, 1 process": {"losses": found["losses"]},
            "weights, 1 process": {"weights": _flat(weights)},
        }
        with tempfile.TemporaryDirectory() as folder:
            for world in self.worlds:
                losses, weights, _ = trained(backend.name, text, world, Path(folder) / str(world))
                quantities[f"losses, {world} processes"] = {"losses": losses}
                quantities[f"weights, {world} processes"] = {"weights": _flat(weights)}
        return quantities

    def outcomes(self, ladder: Ladder, case: Case, first: str, second: str) -> list[Outcome]:
        """The two frameworks in as many processes, and each in several against itself in one."""
        found = super().outcomes(ladder, case, first, second)
        for name in (first, second):
            own = ladder.collected(self, name, case)
            for quantity in own:
                what, _, _ = quantity.partition(",")
                if own[quantity] is not own[f"{what}, 1 process"]:
                    tolerance = ladder_tolerance(self.name, quantity, case.name)
                    found.append(
                        self.judge(case, name, name, quantity, own[f"{what}, 1 process"], own[quantity], tolerance)
                    )
        return found

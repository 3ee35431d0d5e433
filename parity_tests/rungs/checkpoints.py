"""Rung 9: a checkpoint written by one backend and taken up by another."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from parity_tests.cases import CLASSES, Case
from parity_tests.compare import compare, first_beyond, worst
from parity_tests.ladder import Arrays, Asked, Ladder, Outcome, Rung
from parity_tests.rungs.training import first_state
from parity_tests.tolerances import ladder_tolerance

BEFORE, AFTER = 3, 2
BOTH = ("espnet_tiny", "setr_mla_tiny")  # of these with AdamW too: between them they have every kind of parameter
OPTIMIZERS = {"SGD": {"name": "sgd", "lr": 0.002}, "AdamW": {"name": "adamw", "lr": 0.001}}


class Checkpoints(Rung):
    """Weights, statistics and optimizer state arrive bit for bit, and the run goes on as if it had stayed."""

    name = "9 checkpoints"
    question = "Does a run go on in another framework from its checkpoint?"

    def write(self, backend: Asked, case: Case, optimizer: str, folder: Path) -> tuple[Path, Arrays, np.ndarray]:
        """Trains, saves, goes on; the file, what was saved and how it went on."""
        text = case.config({"optimizer": OPTIMIZERS[optimizer]})
        backend.request("learner", config=text, classes=CLASSES)
        backend.request("learner_load", first_state(case))
        backend.request("train", iterations=BEFORE)
        path = folder / f"{backend.name} {optimizer} {case.name}.safetensors"
        backend.request("checkpoint_save", path=str(path))
        _, saved = backend.request("learner_state", optimizer=True)
        _, on = backend.request("train", iterations=AFTER)
        return path, saved, on["losses"]

    def read(self, backend: Asked, case: Case, optimizer: str, path: Path) -> tuple[Arrays, np.ndarray]:
        """Takes the run up; what arrived and how it goes on."""
        text = case.config({"optimizer": OPTIMIZERS[optimizer]})
        backend.request("learner", config=text, classes=CLASSES)
        fields, _ = backend.request("checkpoint_load", path=str(path))
        assert fields["iteration"] == BEFORE
        _, arrived = backend.request("learner_state", optimizer=True)
        _, on = backend.request("train", iterations=AFTER)
        return arrived, on["losses"]

    def outcomes(self, ladder: Ladder, case: Case, first: str, second: str) -> list[Outcome]:
        return [
            outcome
            for optimizer in (OPTIMIZERS if case.name in BOTH else ("SGD",))
            for way in ((first, second), (second, first))
            for outcome in self._one_way(ladder, case, optimizer, way)
        ]

    def _one_way(self, ladder: Ladder, case: Case, optimizer: str, way: tuple[str, str]) -> list[Outcome]:
        writer, reader = way
        path, saved, went_on = ladder.remember(
            f"checkpoint {optimizer}",
            writer,
            case,
            lambda: self.write(ladder.fleet.get(writer), case, optimizer, ladder.fleet.folder),
        )
        arrived, losses = self.read(ladder.fleet.get(reader), case, optimizer, path)
        outcomes = []
        for quantity, ours, theirs in (
            (f"{optimizer} state as it arrives", saved, arrived),
            (f"{optimizer} losses afterwards", {"losses": went_on}, {"losses": losses}),
        ):
            tolerance = ladder_tolerance(self.name, quantity, case.name)
            differences = compare(ours, theirs)
            shown = first_beyond(differences, tolerance.limit) or worst(differences)
            relative = worst(differences).relative
            outcomes.append(Outcome(self.name, case.name, writer, reader, quantity, relative, tolerance, str(shown)))
        return outcomes

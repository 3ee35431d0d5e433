"""The ten rungs, from the lowest up."""

from __future__ import annotations

from parity_tests.ladder import Rung
from parity_tests.rungs.backward import Backward
from parity_tests.rungs.checkpoints import Checkpoints
from parity_tests.rungs.data import Data
from parity_tests.rungs.forward import Forward
from parity_tests.rungs.losses import Losses
from parity_tests.rungs.optimizers import Optimizers
from parity_tests.rungs.parameters import Parameters
from parity_tests.rungs.processes import ProcessesRung
from parity_tests.rungs.protocol import Labels
from parity_tests.rungs.training import Training

RUNGS: dict[str, Rung] = {
    rung.name: rung
    for rung in (
        Parameters(),
        Forward(),
        Losses(),
        Backward(),
        Optimizers(),
        Data(),
        Labels(),
        Training(),
        Checkpoints(),
        ProcessesRung(),
    )
}

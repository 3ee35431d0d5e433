"""Loss scaling for float16: gradients below its smallest number are lifted, and steps that overflow are left out."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

PREFIX = "loss_scale."


class LossScale:
    """Dynamic loss scaling (arXiv:1710.03740, 3.2) with the constants of PyTorch's GradScaler; one rule everywhere.

    The loss is multiplied by `value` before the backward pass and the gradients are divided by it after. Where one of
    them is not finite the step is left out and the scale halved; after `INTERVAL` good steps in a row it is doubled.
    """

    INTERVAL = 2000
    FIRST, LARGEST = 2.0**16, 2.0**24

    def __init__(self) -> None:
        self.value, self.good, self.skipped = self.FIRST, 0, 0

    def update(self, largest: float) -> bool:
        """Whether the step may be done, given the largest absolute value of the scaled gradients."""
        if not math.isfinite(largest):
            self.value, self.good, self.skipped = max(self.value / 2, 1.0), 0, self.skipped + 1
            return False
        self.good += 1
        if self.good == self.INTERVAL:
            self.value, self.good = min(self.value * 2, self.LARGEST), 0
        return True

    def get_state(self) -> dict[str, np.ndarray]:
        """What stands beside the optimizer's tensors in a checkpoint."""
        state = {"value": self.value, "good": self.good, "skipped": self.skipped}
        return {PREFIX + name: np.array([number], np.float64) for name, number in state.items()}

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        self.value = float(state[PREFIX + "value"][0])
        self.good, self.skipped = (int(state[PREFIX + name][0]) for name in ("good", "skipped"))

"""The moving average of a run's weights (Polyak & Juditsky 1992): what is scored, and saved beside the weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def decay_at(decay: float, step: int) -> float:
    """How much of the average stays at step 1, 2, …: min(decay, (1 + step) / (10 + step)).

    The ramp, TensorFlow's, lets go of the first weights: without it 0.999 still holds a third of them after 1000 steps.
    """
    return min(decay, (1 + step) / (10 + step))


def averaged(
    average: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray], decay: float, step: int
) -> dict[str, np.ndarray]:
    """The definition: average + (1 - decay_at) * (weights - average), of weights and batch-norm statistics alike."""
    share = 1 - decay_at(decay, step)
    return {name: value + share * (weights[name] - value) for name, value in average.items()}

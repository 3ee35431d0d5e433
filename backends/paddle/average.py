"""The moving average of a network's weights (core/moving_average.py)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import paddle
from paddle import nn

from backends.paddle.models import build_model
from backends.paddle.state import get_state, named_tensors, set_state
from core.moving_average import decay_at


class MovingAverage:
    """A second network, with the average of the first one's weights and statistics."""

    def __init__(self, model: nn.Layer, decay: float) -> None:
        self.decay = decay
        self.model = build_model(model.spec).to(dtype=model.parameters()[0].dtype)

    @paddle.no_grad()
    def update(self, model: nn.Layer, step: int) -> None:
        """After step 1, 2, … of `model`."""
        share = 1 - decay_at(self.decay, step)
        for (_, own, _), (_, other, _) in zip(named_tensors(self.model), named_tensors(model)):
            own.add_(share * (other - own))

    def get_state(self) -> dict[str, np.ndarray]:
        return get_state(self.model)

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        set_state(self.model, state)

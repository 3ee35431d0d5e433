"""The moving average of a network's weights (core/moving_average.py)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backends.mxnet.layers import Network
from backends.mxnet.models import build_model
from backends.mxnet.state import get_state, parameters, set_state
from core.moving_average import decay_at


class MovingAverage:
    """A second network, with the average of the first one's weights and statistics."""

    def __init__(self, model: Network, decay: float) -> None:
        self.decay, first = decay, next(iter(parameters(model).values()))
        self.model = build_model(model.spec)
        self.model.collect_params().reset_ctx(first.list_ctx()[0])
        self.model.cast(first.dtype)

    def update(self, model: Network, step: int) -> None:
        """After step 1, 2, … of `model`."""
        share, others = 1 - decay_at(self.decay, step), parameters(model)
        for name, parameter in parameters(self.model).items():
            own = parameter.data()
            own += share * (others[name].data() - own)

    def get_state(self) -> dict[str, np.ndarray]:
        return get_state(self.model)

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        set_state(self.model, state)

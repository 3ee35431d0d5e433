"""The moving average of a network's weights (core/moving_average.py)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from backends.torch.models import build_model
from backends.torch.state import get_state, names, set_state
from core.moving_average import decay_at


class MovingAverage:
    """A second network, with the average of the first one's weights and statistics."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, first = decay, next(model.parameters())
        self.model = build_model(model.spec).to(first.device, first.dtype)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """After step 1, 2, … of `model`."""
        own, other = self.model.state_dict(), model.state_dict()
        order = names(self.model)
        share = 1 - decay_at(self.decay, step)
        torch._foreach_lerp_([own[name] for name in order], [other[name] for name in order], share)

    def get_state(self) -> dict[str, np.ndarray]:
        return get_state(self.model)

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        set_state(self.model, state)

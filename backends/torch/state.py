"""Between a model and {canonical name: numpy array}. The canonical layout is PyTorch's own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from core.arch.inventory import check_state

UNUSED = "num_batches_tracked"  # a counter PyTorch keeps beside batch norm's statistics


def names(model: nn.Module) -> list[str]:
    """Canonical names of all parameters and buffers, in order."""
    return [name for name in model.state_dict() if not name.endswith(UNUSED)]


def get_state(model: nn.Module) -> dict[str, np.ndarray]:
    """A copy of every parameter and buffer."""
    state = model.state_dict()
    return {name: state[name].detach().cpu().numpy().copy() for name in names(model)}


@torch.no_grad()
def set_state(model: nn.Module, state: Mapping[str, np.ndarray]) -> None:
    """Puts `state` into the model, all or nothing. Raises WeightsError unless names and shapes are the model's."""
    check_state(model.spec.parameters(), state)
    own = model.state_dict(keep_vars=True)
    for name, array in state.items():
        own[name].copy_(torch.from_numpy(np.array(array)))

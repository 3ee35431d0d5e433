"""Networks whose batch norms are folded into the convolutions before them (core.fold)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from core.arch.inventory import Foldable


def remove_norms(model: nn.Module, folds: Sequence[Foldable]) -> None:
    """Takes the batch norms of `folds` out of the model; the first convolution before each gets a bias."""
    for fold in folds:
        layer = model.get_submodule(fold.layers[0])
        if layer.bias is None:
            layer.bias = nn.Parameter(torch.zeros(len(layer.weight)))
        parent, _, name = fold.norm.rpartition(".")
        setattr(model.get_submodule(parent), name, nn.Identity())

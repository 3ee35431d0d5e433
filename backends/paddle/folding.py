"""Networks whose batch norms are folded into the convolutions before them (core.fold)."""

from __future__ import annotations

from collections.abc import Sequence

from paddle import nn

from core.arch.inventory import Foldable


def remove_norms(model: nn.Layer, folds: Sequence[Foldable]) -> None:
    """Takes the batch norms of `folds` out of the model; the first convolution before each gets a bias."""
    layers = dict(model.named_sublayers(include_self=True))
    for fold in folds:
        layer = layers[fold.layers[0]]
        if layer.bias is None:
            layer.bias = layer.create_parameter([layer.weight.shape[0]], is_bias=True)
        parent, _, name = fold.norm.rpartition(".")
        setattr(layers[parent], name, nn.Identity())

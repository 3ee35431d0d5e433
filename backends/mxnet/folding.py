"""Networks whose batch norms are folded into the convolutions before them (core.fold)."""

from __future__ import annotations

from collections.abc import Sequence

from mxnet.gluon import Block
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.layers import Network
from core.arch.inventory import Foldable


def remove_norms(model: Network, folds: Sequence[Foldable]) -> None:
    """Takes the batch norms of `folds` out of the model; the first convolution before each gets a bias.

    Gluon lets nobody put a block of another type under a name, so the old one is deleted first.
    """
    for fold in folds:
        layer = _descendant(model, fold.layers[0])
        if layer.bias is None:
            with layer.name_scope():
                layer.bias = layer.params.get("bias", shape=layer.weight.shape[:1], init="zeros")
            if hasattr(layer, "_kwargs"):
                layer._kwargs["no_bias"] = False
        path, _, name = fold.norm.rpartition(".")
        parent = _descendant(model, path)
        place = list(parent._children)
        delattr(parent, name)
        setattr(parent, name, Identity())
        for child in place:  # the order is that of the computation in sequences
            parent._children[child] = parent._children.pop(child)


def _descendant(block: Block, path: str) -> Block:
    for name in path.split("."):
        block = block._children[name]
    return block

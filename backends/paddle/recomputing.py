"""Gradient checkpointing: a block keeps its input alone, and is computed once more where its gradients are due."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import paddle
from paddle import nn
from paddle.distributed.fleet.utils import recompute

from backends.paddle.layers import running_statistics


def recompute_blocks(model: nn.Layer) -> None:
    """Checkpoints each block of the model's backbone; of the whole model, where it has none.

    Names of parameters stay as they are. Random numbers are drawn alike both times (`recompute` keeps the generators'
    states), running statistics count the first time only.
    """
    for block in _blocks(getattr(model, "backbone", model)):
        block.forward = partial(_forward, block, block.forward)


def _blocks(root: nn.Layer) -> Iterator[nn.Layer]:
    """What the children of `root` are made of: members of a sequence one by one, everything else whole."""
    for child in root.children():
        if isinstance(child, nn.Sequential | nn.LayerList):
            yield from child.children()
        else:
            yield child


def _forward(block: nn.Layer, forward: Callable[..., Any], *inputs: Any) -> Any:
    if not (block.training and paddle.is_grad_enabled()):
        return forward(*inputs)
    computed = False

    def compute(*given: Any) -> Any:
        nonlocal computed
        if computed:
            with _same_statistics(block):
                return forward(*given)
        computed = True
        return forward(*given)

    # Not the reentrant way: it needs an input with a gradient, and a tuple of tensors for output.
    return recompute(compute, *inputs, use_reentrant=False)


@contextmanager
def _same_statistics(block: nn.Layer) -> Iterator[None]:
    """Puts running statistics back as they were."""
    before = [(statistic, statistic.clone()) for statistic in running_statistics(block)]
    try:
        yield
    finally:
        with paddle.no_grad():
            for statistic, kept in before:
                statistic.set_value(kept)

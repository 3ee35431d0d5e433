"""Gradient checkpointing: a block keeps its input alone, and is computed once more where its gradients are due."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute_blocks(model: nn.Module) -> None:
    """Checkpoints each block of the model's backbone; of the whole model, where it has none.

    Names of parameters stay as they are. Random numbers are drawn alike both times (torch.utils.checkpoint keeps the
    generators' states), running statistics count the first time only.
    """
    for block in _blocks(getattr(model, "backbone", model)):
        block.forward = partial(_forward, block, block.forward)


def _blocks(root: nn.Module) -> Iterator[nn.Module]:
    """What the children of `root` are made of: members of a sequence one by one, everything else whole."""
    for child in root.children():
        if isinstance(child, nn.Sequential | nn.ModuleList):
            yield from child.children()
        else:
            yield child


def _forward(block: nn.Module, forward: Callable[..., Any], *inputs: Any) -> Any:
    if not (block.training and torch.is_grad_enabled()):
        return forward(*inputs)
    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=partial(_contexts, block))


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """What the first computation runs in, and the second."""
    return nullcontext(), _same_statistics(block)


@contextmanager
def _same_statistics(block: nn.Module) -> Iterator[None]:
    """Puts running statistics and their counts back as they were, also where the computation is cut short."""
    before = [(buffer, buffer.detach().clone()) for buffer in block.buffers()]
    try:
        yield
    finally:
        for buffer, kept in before:
            # .data: autograd keeps a reference to the buffer but does not read it in training mode.
            buffer.data.copy_(kept)

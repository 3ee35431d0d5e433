"""The sum over a network's outputs (core/losses/objective.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from backends.torch.layers import resize
from backends.torch.losses.boundary import boundary
from backends.torch.losses.cross_entropy import cross_entropy, mixed_softmax, nll
from backends.torch.losses.focal import focal
from backends.torch.losses.mining import bootstrapped, ohem
from backends.torch.losses.overlap import dice, lovasz_softmax
from core.losses import Objective

# By kind: (logits [N, C, H, W], target int64 [N, H, W], the term, its measure) -> its value.
TERMS: dict[str, Callable[[Tensor, Tensor, Any, Any], Tensor]] = {
    "cross_entropy": cross_entropy,
    "nll": nll,
    "mixed_softmax": mixed_softmax,
    "ohem": ohem,
    "bootstrapped": bootstrapped,
    "focal": focal,
    "dice": dice,
    "lovasz_softmax": lovasz_softmax,
    "boundary": boundary,
}


def segmentation_loss(outputs: Sequence[Tensor], objective: Objective, part: int = 0) -> tuple[Tensor, list[Tensor]]:
    """The scalar to differentiate, and each term's value.

    outputs: logits [N, C, h_k, w_k] of one part of the batch, in the order of `spec.outputs()`, resized here.
    """
    resized: dict[int, Tensor] = {}
    targets: dict[int, Tensor] = {}
    values: list[Tensor] = []
    for i, cost in enumerate(objective.costs):
        logits = outputs[cost.output]
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        if cost.term.at == "labels":
            if cost.output not in resized:
                same = logits.shape[2:] == objective.size
                resized[cost.output] = logits if same else resize(logits, objective.size, objective.align_corners)
            logits = resized[cost.output]
        size = (logits.shape[2], logits.shape[3])
        array = objective.target(i, part, size)
        if id(array) not in targets:
            targets[id(array)] = torch.from_numpy(array).to(logits.device)
        values.append(TERMS[cost.term.kind](logits, targets[id(array)], cost.term, objective.measure(i, size)))
    return sum(cost.term.gradient_weight * value for cost, value in zip(objective.costs, values)), values

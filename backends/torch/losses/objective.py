"""The sum over a network's outputs (core/losses/objective.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from backends.torch.layers import resize
from backends.torch.losses.blocks import losses_of_pixels, sum_over_blocks
from backends.torch.losses.boundary import boundary
from backends.torch.losses.cross_entropy import cross_entropy, mixed_softmax, nll
from backends.torch.losses.focal import focal
from backends.torch.losses.mining import bootstrapped, ohem
from backends.torch.losses.overlap import dice, lovasz_softmax
from core.losses import CrossEntropy, Measure, Objective, Term

# By kind: (logits [N, C, H, W], target int64 [N, H, W], the term, its measure) -> its value.
TERMS: dict[str, Callable[[Tensor, Tensor, Any, Any], Tensor]] = {
    "cross_entropy": cross_entropy,
    "nll": nll,
    "mixed_softmax": mixed_softmax,
    "focal": focal,
    "dice": dice,
    "lovasz_softmax": lovasz_softmax,
    "boundary": boundary,
}
# By kind: (the pixels' losses [N, H, W], target, the term, its measure) -> target and measure of the cross-entropy.
MINED: dict[str, Callable[[Tensor, Tensor, Any, Any], tuple[Tensor, Measure]]] = {
    "ohem": ohem,
    "bootstrapped": bootstrapped,
}


def segmentation_loss(outputs: Sequence[Tensor], objective: Objective, part: int = 0) -> tuple[Tensor, list[Tensor]]:
    """The scalar to differentiate, and each term's value.

    outputs: logits [N, C, h_k, w_k] of one part of the batch, in the order of `spec.outputs()`, resized here.
    """
    targets: dict[int, Tensor] = {}
    values: list[Tensor] = []
    for i, cost in enumerate(objective.costs):
        logits = outputs[cost.output]
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        size = objective.size if cost.term.at == "labels" else (logits.shape[2], logits.shape[3])
        array = objective.target(i, part, size)
        if id(array) not in targets:
            targets[id(array)] = torch.from_numpy(array).to(logits.device)
        target, measure = targets[id(array)], objective.measure(i, size)
        values.append(_value(logits, target, cost.term, measure, objective.align_corners))
    return sum(cost.term.gradient_weight * value for cost, value in zip(objective.costs, values)), values


def _value(logits: Tensor, target: Tensor, term: Term, measure: Measure, align_corners: bool) -> Tensor:
    """A term's value, of logits [N, C, h, w] resized to target [N, H, W]: whole only where the term needs them so."""
    if term.seen == "mined":
        target, measure = MINED[term.kind](losses_of_pixels(logits, target, align_corners), target, term, measure)
        term = CrossEntropy()

    def cost(logits: Tensor, target: Tensor) -> Tensor:
        return TERMS[term.kind](logits, target, term, measure)

    if term.seen == "pixels":
        return sum_over_blocks(logits, target, cost, align_corners)
    if logits.shape[2:] != target.shape[1:]:
        logits = resize(logits, target.shape[1:], align_corners)
    return cost(logits, target)

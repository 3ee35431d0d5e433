"""The sum over a network's outputs (core/losses/objective.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from backends.torch.layers import resize
from backends.torch.losses.blocks import losses_of_pixels, sum_over_blocks
from backends.torch.losses.boundary import boundary
from backends.torch.losses.cross_entropy import cross_entropy, mixed_softmax, nll
from backends.torch.losses.focal import focal
from backends.torch.losses.mining import Candidates, bootstrapped, ohem
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
# By kind: the pixels' losses [N, H, W] -> how easy they are.
MINED: dict[str, Callable[[Tensor], Tensor]] = {
    "ohem": ohem,
    "bootstrapped": bootstrapped,
}


def mine(outputs: Iterable[Sequence[Tensor]], objective: Objective) -> None:
    """Settles which pixels are hard, of all parts' outputs, where that is to be known before a part is learnt from."""
    costs = objective.mined_before()
    parts: dict[int, list[Candidates]] = {i: [] for i in costs}
    for part, own in enumerate(outputs):
        for i in costs:
            parts[i].append(_candidates(i, _logits(own, objective, i), objective, part))
    for i, candidates in parts.items():
        objective.mine(i, candidates)


def segmentation_loss(outputs: Sequence[Tensor], objective: Objective, part: int = 0) -> tuple[Tensor, list[Tensor]]:
    """The scalar to differentiate, and each term's value.

    outputs: logits [N, C, h_k, w_k] of one part of the batch, in the order of `spec.outputs()`, resized here.
    """
    targets: dict[int, Tensor] = {}
    values: list[Tensor] = []
    for i, cost in enumerate(objective.costs):
        logits = _logits(outputs, objective, i)
        size = _size(logits, objective, i)
        array = objective.target(i, part, size)
        if id(array) not in targets:
            targets[id(array)] = torch.from_numpy(array).to(logits.device)
        target, measure = targets[id(array)], objective.measure(i, size)
        term: Term = cost.term
        if term.seen == "mined":
            candidates = _candidates(i, logits, objective, part)
            target, measure = candidates.only(objective.mined(i, candidates, measure), measure)
            term = CrossEntropy()
        values.append(_value(logits, target, term, measure, objective.align_corners))
    return sum(cost.term.gradient_weight * value for cost, value in zip(objective.costs, values)), values


def _logits(outputs: Sequence[Tensor], objective: Objective, cost: int) -> Tensor:
    """What a term is given, in float32 at least."""
    logits = outputs[objective.costs[cost].output]
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def _size(logits: Tensor, objective: Objective, cost: int) -> tuple[int, int]:
    """At which a term sees its logits."""
    if objective.costs[cost].term.at == "labels":
        return objective.size
    return logits.shape[2], logits.shape[3]


def _candidates(cost: int, logits: Tensor, objective: Objective, part: int) -> Candidates:
    """The pixels of a part among which a term finds the hard ones."""
    size, term = _size(logits, objective, cost), objective.costs[cost].term
    target = torch.from_numpy(objective.target(cost, part, size)).to(logits.device)
    losses = losses_of_pixels(logits, target, objective.align_corners)
    return Candidates(MINED[term.kind](losses), target, objective.measure(cost, size).class_weights)


def _value(logits: Tensor, target: Tensor, term: Term, measure: Measure, align_corners: bool) -> Tensor:
    """A term's value, of logits [N, C, h, w] resized to target [N, H, W]: whole only where the term needs them so."""

    def cost(logits: Tensor, target: Tensor) -> Tensor:
        return TERMS[term.kind](logits, target, term, measure)

    if term.seen == "pixels":
        return sum_over_blocks(logits, target, cost, align_corners)
    if logits.shape[2:] != target.shape[1:]:
        logits = resize(logits, target.shape[1:], align_corners)
    return cost(logits, target)

"""The sum over a network's outputs (core/losses/objective.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray

from backends.mxnet.layers import resize
from backends.mxnet.losses.blocks import losses_of_pixels, sum_over_blocks
from backends.mxnet.losses.boundary import boundary
from backends.mxnet.losses.cross_entropy import cross_entropy, mixed_softmax, nll
from backends.mxnet.losses.focal import focal
from backends.mxnet.losses.mining import Candidates, bootstrapped, ohem
from backends.mxnet.losses.overlap import dice, lovasz_softmax
from core.losses import CrossEntropy, Measure, Objective, Term

# By kind: (logits, target int64 [N, H, W], the term, its measure) -> its value. Logits are [N, H, W, C] of sums over
# pixels and [N, C, H, W] of terms that are seen whole.
TERMS: dict[str, Callable[[NDArray, NDArray, Any, Any], NDArray]] = {
    "cross_entropy": cross_entropy,
    "nll": nll,
    "mixed_softmax": mixed_softmax,
    "focal": focal,
    "dice": dice,
    "lovasz_softmax": lovasz_softmax,
    "boundary": boundary,
}
# By kind: the pixels' losses [N, H, W] -> how easy they are.
MINED: dict[str, Callable[[NDArray], NDArray]] = {
    "ohem": ohem,
    "bootstrapped": bootstrapped,
}


def mine(outputs: Iterable[Sequence[NDArray]], objective: Objective) -> None:
    """Settles which pixels are hard, of all parts' outputs, where that is to be known before a part is learnt from."""
    costs = objective.mined_before()
    parts: dict[int, list[Candidates]] = {i: [] for i in costs}
    for part, own in enumerate(outputs):
        for i in costs:
            parts[i].append(_candidates(i, _logits(own, objective, i), objective, part))
    for i, candidates in parts.items():
        objective.mine(i, candidates)


def segmentation_loss(outputs: Sequence[NDArray], objective: Objective, part: int = 0) -> tuple[NDArray, list[NDArray]]:
    """The scalar to differentiate, and each term's value.

    outputs: logits [N, C, h_k, w_k] of one part of the batch, in the order of `spec.outputs()`, resized here.
    """
    targets: dict[int, NDArray] = {}
    values: list[NDArray] = []
    for i, cost in enumerate(objective.costs):
        logits = _logits(outputs, objective, i)
        size = _size(logits, objective, i)
        array = objective.target(i, part, size)
        if id(array) not in targets:
            targets[id(array)] = nd.array(array, ctx=logits.context, dtype=np.int64)
        target, measure = targets[id(array)], objective.measure(i, size)
        term: Term = cost.term
        if term.seen == "mined":
            candidates = _candidates(i, logits, objective, part)
            target, measure = candidates.only(objective.mined(i, candidates, measure), measure)
            term = CrossEntropy()
        values.append(_value(logits, target, term, measure, objective.align_corners))
    total = values[0] * objective.costs[0].term.gradient_weight
    for cost, value in zip(objective.costs[1:], values[1:]):
        total = total + value * cost.term.gradient_weight
    return total, values


def _logits(outputs: Sequence[NDArray], objective: Objective, cost: int) -> NDArray:
    """What a term is given, in float32 at least."""
    logits = outputs[objective.costs[cost].output]
    return logits.astype("float32") if logits.dtype == np.float16 else logits


def _size(logits: NDArray, objective: Objective, cost: int) -> tuple[int, int]:
    """At which a term sees its logits."""
    if objective.costs[cost].term.at == "labels":
        return objective.size
    return logits.shape[2], logits.shape[3]


def _candidates(cost: int, logits: NDArray, objective: Objective, part: int) -> Candidates:
    """The pixels of a part among which a term finds the hard ones."""
    size, term = _size(logits, objective, cost), objective.costs[cost].term
    target = nd.array(objective.target(cost, part, size), ctx=logits.context, dtype=np.int64)
    losses = losses_of_pixels(logits, target, objective.align_corners)
    return Candidates(MINED[term.kind](losses), target, objective.measure(cost, size).class_weights)


def _value(logits: NDArray, target: NDArray, term: Term, measure: Measure, align_corners: bool) -> NDArray:
    """A term's value, of logits [N, C, h, w] resized to target [N, H, W]: whole only where the term needs them so."""

    def cost(logits: NDArray, target: NDArray) -> NDArray:
        return TERMS[term.kind](logits, target, term, measure)

    if term.seen == "pixels":
        return sum_over_blocks(logits, target, cost, align_corners)
    if logits.shape[2:] != target.shape[1:]:
        like = nd.zeros((1, 1, *target.shape[1:]), ctx=logits.context, dtype=logits.dtype)
        logits = resize(nd, logits, like, align_corners)
    return cost(logits, target)

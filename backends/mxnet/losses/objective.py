"""The sum over a network's outputs (core/losses/objective.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray

from backends.mxnet.layers import resize
from backends.mxnet.losses.blocks import losses_of_pixels, sum_over_blocks
from backends.mxnet.losses.boundary import boundary
from backends.mxnet.losses.cross_entropy import cross_entropy, mixed_softmax, nll
from backends.mxnet.losses.focal import focal
from backends.mxnet.losses.mining import bootstrapped, ohem
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
# By kind: (the pixels' losses [N, H, W], target, the term, its measure) -> target and measure of the cross-entropy.
MINED: dict[str, Callable[[NDArray, NDArray, Any, Any], tuple[NDArray, Measure]]] = {
    "ohem": ohem,
    "bootstrapped": bootstrapped,
}


def segmentation_loss(outputs: Sequence[NDArray], objective: Objective, part: int = 0) -> tuple[NDArray, list[NDArray]]:
    """The scalar to differentiate, and each term's value.

    outputs: logits [N, C, h_k, w_k] of one part of the batch, in the order of `spec.outputs()`, resized here.
    """
    targets: dict[int, NDArray] = {}
    values: list[NDArray] = []
    for i, cost in enumerate(objective.costs):
        logits = outputs[cost.output]
        if logits.dtype == np.float16:
            logits = logits.astype("float32")
        size = objective.size if cost.term.at == "labels" else (logits.shape[2], logits.shape[3])
        array = objective.target(i, part, size)
        if id(array) not in targets:
            targets[id(array)] = nd.array(array, ctx=logits.context, dtype=np.int64)
        target, measure = targets[id(array)], objective.measure(i, size)
        values.append(_value(logits, target, cost.term, measure, objective.align_corners))
    total = values[0] * objective.costs[0].term.gradient_weight
    for cost, value in zip(objective.costs[1:], values[1:]):
        total = total + value * cost.term.gradient_weight
    return total, values


def _value(logits: NDArray, target: NDArray, term: Term, measure: Measure, align_corners: bool) -> NDArray:
    """A term's value, of logits [N, C, h, w] resized to target [N, H, W]: whole only where the term needs them so."""
    if term.seen == "mined":
        target, measure = MINED[term.kind](losses_of_pixels(logits, target, align_corners), target, term, measure)
        term = CrossEntropy()

    def cost(logits: NDArray, target: NDArray) -> NDArray:
        return TERMS[term.kind](logits, target, term, measure)

    if term.seen == "pixels":
        return sum_over_blocks(logits, target, cost, align_corners)
    if logits.shape[2:] != target.shape[1:]:
        like = nd.zeros((1, 1, *target.shape[1:]), ctx=logits.context, dtype=logits.dtype)
        logits = resize(nd, logits, like, align_corners)
    return cost(logits, target)

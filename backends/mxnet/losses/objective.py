"""The sum over a network's outputs (core/losses/objective.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray

from backends.mxnet.layers import resize
from backends.mxnet.losses.boundary import boundary
from backends.mxnet.losses.cross_entropy import cross_entropy, mixed_softmax, nll
from backends.mxnet.losses.focal import focal
from backends.mxnet.losses.mining import bootstrapped, ohem
from backends.mxnet.losses.overlap import dice, lovasz_softmax
from core.losses import Objective

# By kind: (logits [N, C, H, W], target int64 [N, H, W], the term, its measure) -> its value.
TERMS: dict[str, Callable[[NDArray, NDArray, Any, Any], NDArray]] = {
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


def segmentation_loss(outputs: Sequence[NDArray], objective: Objective, part: int = 0) -> tuple[NDArray, list[NDArray]]:
    """The scalar to differentiate, and each term's value.

    outputs: logits [N, C, h_k, w_k] of one part of the batch, in the order of `spec.outputs()`, resized here.
    """
    resized: dict[int, NDArray] = {}
    targets: dict[int, NDArray] = {}
    values: list[NDArray] = []
    for i, cost in enumerate(objective.costs):
        logits = outputs[cost.output]
        if cost.term.at == "labels":
            if cost.output not in resized:
                like = nd.zeros((1, 1, *objective.size), ctx=logits.context, dtype=logits.dtype)
                same = logits.shape[2:] == objective.size
                resized[cost.output] = logits if same else resize(nd, logits, like, objective.align_corners)
            logits = resized[cost.output]
        size = (logits.shape[2], logits.shape[3])
        array = objective.target(i, part, size)
        if id(array) not in targets:
            targets[id(array)] = nd.array(array, ctx=logits.context, dtype=np.int64)
        values.append(TERMS[cost.term.kind](logits, targets[id(array)], cost.term, objective.measure(i, size)))
    total = values[0] * objective.costs[0].term.gradient_weight
    for cost, value in zip(objective.costs[1:], values[1:]):
        total = total + value * cost.term.gradient_weight
    return total, values

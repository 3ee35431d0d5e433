"""The sum over a network's outputs (core/losses/objective.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import paddle
from paddle import Tensor

from backends.paddle.layers import resize
from backends.paddle.losses.blocks import losses_of_pixels, sum_over_blocks
from backends.paddle.losses.boundary import boundary
from backends.paddle.losses.cross_entropy import cross_entropy, mixed_softmax, nll
from backends.paddle.losses.focal import focal
from backends.paddle.losses.mining import bootstrapped, ohem
from backends.paddle.losses.overlap import dice, lovasz_softmax
from core.losses import CrossEntropy, Measure, Objective, Term

# By kind: (logits, target int64 [N, H, W], the term, its measure) -> its value. Logits are [N, H, W, C] of sums over
# pixels and [N, C, H, W] of terms that are seen whole.
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
        if logits.dtype in (paddle.float16, paddle.bfloat16):
            logits = logits.astype("float32")
        size = objective.size if cost.term.at == "labels" else (logits.shape[2], logits.shape[3])
        array = objective.target(i, part, size)
        if id(array) not in targets:
            targets[id(array)] = paddle.to_tensor(array)
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
    if list(logits.shape[2:]) != list(target.shape[1:]):
        logits = resize(logits, target.shape[1:], align_corners)
    return cost(logits, target)

"""The sum over a network's outputs (core/losses/native.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle
from paddle import Tensor

from backends.paddle.layers import resize
from backends.paddle.losses.blocks import losses_of_pixels, sum_over_blocks
from backends.paddle.losses.boundary import boundary
from backends.paddle.losses.cross_entropy import cross_entropy, mixed_softmax, nll
from backends.paddle.losses.focal import focal
from backends.paddle.losses.mining import Candidates, bootstrapped, ohem
from backends.paddle.losses.overlap import dice, lovasz_softmax
from core.losses import Labels, Measure, NativeLoss, Term

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
# By kind: the pixels' losses [N, H, W] -> how easy they are.
MINED: dict[str, Callable[[Tensor], Tensor]] = {
    "ohem": ohem,
    "bootstrapped": bootstrapped,
}


class Loss(NativeLoss[Tensor]):
    """Of this framework's tensors."""

    def logits(self, output: Tensor) -> Tensor:
        return output.astype("float32") if output.dtype in (paddle.float16, paddle.bfloat16) else output

    def target(self, labels: Labels, logits: Tensor) -> Tensor:
        return paddle.to_tensor(labels)

    def candidates(
        self, logits: Tensor, target: Tensor, term: Term, measure: Measure, align_corners: bool
    ) -> Candidates:
        losses = losses_of_pixels(logits, target, align_corners)
        return Candidates(MINED[term.kind](losses), target, measure.class_weights)

    def value(self, logits: Tensor, target: Tensor, term: Term, measure: Measure, align_corners: bool) -> Tensor:
        def cost(logits: Tensor, target: Tensor) -> Tensor:
            return TERMS[term.kind](logits, target, term, measure)

        if term.seen == "pixels":
            return sum_over_blocks(logits, target, cost, align_corners)
        if list(logits.shape[2:]) != list(target.shape[1:]):
            logits = resize(logits, target.shape[1:], align_corners)
        return cost(logits, target)


segmentation_loss = Loss()

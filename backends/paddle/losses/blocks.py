"""Losses of resized logits that never hold them whole (core/losses/blocks.py). Classes stand last in a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle.autograd import PyLayer

from core.data import IGNORE
from core.losses import Block, Blocks, plan_blocks
from core.losses.blocks import BLOCK_VALUES

Cost = Callable[[Tensor, Tensor], Tensor]  # (logits [1, R, W, C], target [1, R, W]) -> what these pixels cost


def _plan(logits: Tensor, target: Tensor, align_corners: bool) -> Blocks:
    source, size = tuple(logits.shape[2:]), tuple(target.shape[1:])
    values = BLOCK_VALUES if logits.place.is_cpu_place() else 32 * BLOCK_VALUES  # a GPU wants work for all its cores
    return plan_blocks(source, size, align_corners, logits.shape[1], values)


class _Resized:
    """A picture's logits [C, h, w] by blocks of rows at the labels' size, and their gradient back."""

    def __init__(self, picture: Tensor, plan: Blocks) -> None:
        self.plan = plan
        self.across = picture.transpose([1, 2, 0]).contiguous()  # [h, W, C]
        if plan.columns is not None:
            self.columns = paddle.to_tensor(plan.columns, dtype=picture.dtype)
            self.across = paddle.matmul(self.columns, self.across)

    def __iter__(self) -> Iterator[tuple[Block, Tensor, Tensor | None]]:
        """Each block, its logits [1, R, W, C] and its matrix [R, s]."""
        for block in self.plan.blocks:
            part, rows = self.across[block.source], None
            if self.plan.columns is not None:
                rows = paddle.to_tensor(block.rows, dtype=part.dtype)
                part = paddle.matmul(rows, part.flatten(1)).reshape([-1, *part.shape[1:]])
            yield block, part.unsqueeze(0), rows

    def back(self, slope: Tensor) -> Tensor:
        """[h, W, C] to [C, h, w]."""
        if self.plan.columns is not None:
            slope = paddle.matmul(self.columns, slope, transpose_x=True)
        return slope.transpose([2, 0, 1])


class _Sum(PyLayer):
    """The sum over blocks; the gradient at the logits' own size is found in the forward pass."""

    @staticmethod
    def forward(ctx, logits: Tensor, target: Tensor, cost: Cost, plan: Blocks) -> Tensor:  # type: ignore[no-untyped-def]
        total = paddle.zeros([], dtype="float64")
        gradient = paddle.empty_like(logits)
        for i in range(len(logits)):
            resized = _Resized(logits[i], plan)
            slope = paddle.zeros_like(resized.across)
            for block, part, rows in resized:
                with paddle.enable_grad():
                    part = part.detach()
                    part.stop_gradient = False
                    value = cost(part, target[i : i + 1, block.target])
                total += value.detach().astype("float64")
                found = paddle.grad(value, part)[0][0]
                if rows is not None:
                    found = paddle.matmul(rows, found.flatten(1), transpose_x=True).reshape([-1, *found.shape[1:]])
                slope[block.source] = slope[block.source] + found
            gradient[i] = resized.back(slope)
        ctx.save_for_backward(gradient)
        return total.astype(logits.dtype)

    @staticmethod
    def backward(ctx, upstream: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        (gradient,) = ctx.saved_tensor()
        return gradient * upstream


def sum_over_blocks(logits: Tensor, target: Tensor, cost: Cost, align_corners: bool) -> Tensor:
    """What the pixels of `target` [N, H, W] cost, of logits [N, C, h, w] resized to it; once differentiable."""
    return _Sum.apply(logits, target, cost, _plan(logits, target, align_corners))


@paddle.no_grad()
def losses_of_pixels(logits: Tensor, target: Tensor, align_corners: bool) -> Tensor:
    """The cross-entropy of each pixel [N, H, W], 0 where it is ignored; no gradient."""
    losses = paddle.empty(target.shape, dtype=logits.dtype)
    plan = _plan(logits, target, align_corners)
    for i in range(len(logits)):
        for block, part, _ in _Resized(logits[i], plan):
            labels = target[i, block.target]
            found = F.cross_entropy(part[0], labels.unsqueeze(-1), ignore_index=IGNORE, reduction="none")
            losses[i, block.target] = found.squeeze(-1)
    return losses

"""Losses of resized logits that never hold them whole (core/losses/blocks.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from core.data import IGNORE
from core.losses import Block, Blocks, plan_blocks
from core.losses.blocks import BLOCK_VALUES

Cost = Callable[[Tensor, Tensor], Tensor]  # (logits [1, C, R, W], target [1, R, W]) -> what these pixels cost


def _plan(logits: Tensor, target: Tensor, align_corners: bool) -> Blocks:
    source, size = tuple(logits.shape[2:]), tuple(target.shape[1:])
    values = BLOCK_VALUES if logits.device.type == "cpu" else 32 * BLOCK_VALUES  # a GPU wants work for all its cores
    return plan_blocks(source, size, align_corners, logits.shape[1], values)


class _Resized:
    """A picture's logits [C, h, w] by blocks of rows at the labels' size, and their gradient back."""

    def __init__(self, picture: Tensor, plan: Blocks) -> None:
        self.plan = plan
        self.columns = None if plan.columns is None else picture.new_tensor(plan.columns)
        self.across = picture if self.columns is None else picture @ self.columns.T  # [C, h, W]

    def __iter__(self) -> Iterator[tuple[Block, Tensor, Tensor | None]]:
        """Each block, its logits [1, C, R, W] and its matrix [R, s]."""
        for block in self.plan.blocks:
            rows = None if self.columns is None else self.across.new_tensor(block.rows)
            part = self.across[:, block.source]
            yield block, (part if rows is None else rows @ part)[None], rows

    def back(self, slope: Tensor) -> Tensor:
        """[C, h, W] to [C, h, w]."""
        return slope if self.columns is None else slope @ self.columns


class _Sum(torch.autograd.Function):
    """The sum over blocks; the gradient at the logits' own size is found in the forward pass."""

    @staticmethod
    def forward(ctx, logits: Tensor, target: Tensor, cost: Cost, plan: Blocks) -> Tensor:  # type: ignore[no-untyped-def]
        total = torch.zeros((), dtype=torch.float64, device=logits.device)
        gradient = torch.empty_like(logits) if ctx.needs_input_grad[0] else None
        for i, picture in enumerate(logits):
            resized = _Resized(picture, plan)
            slope = torch.zeros_like(resized.across)
            for block, part, rows in resized:
                with torch.enable_grad():
                    part = part.detach().requires_grad_(gradient is not None)
                    value = cost(part, target[i : i + 1, block.target])
                total += value.detach()
                if gradient is not None:
                    (found,) = torch.autograd.grad(value, part)
                    slope[:, block.source] += found[0] if rows is None else rows.T @ found[0]
            if gradient is not None:
                gradient[i] = resized.back(slope)
        ctx.save_for_backward(gradient)
        return total.to(logits.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
        (gradient,) = ctx.saved_tensors
        return gradient * upstream, None, None, None


def sum_over_blocks(logits: Tensor, target: Tensor, cost: Cost, align_corners: bool) -> Tensor:
    """What the pixels of `target` [N, H, W] cost, of logits [N, C, h, w] resized to it; once differentiable."""
    return _Sum.apply(logits, target, cost, _plan(logits, target, align_corners))


@torch.no_grad()
def losses_of_pixels(logits: Tensor, target: Tensor, align_corners: bool) -> Tensor:
    """The cross-entropy of each pixel [N, H, W], 0 where it is ignored; no gradient."""
    losses = logits.new_empty(target.shape)
    plan = _plan(logits, target, align_corners)
    for i, picture in enumerate(logits):
        for block, part, _ in _Resized(picture, plan):
            labels = target[i : i + 1, block.target]
            losses[i, block.target] = F.cross_entropy(part, labels, ignore_index=IGNORE, reduction="none")[0]
    return losses

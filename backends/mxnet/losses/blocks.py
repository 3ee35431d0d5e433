"""Losses of resized logits that never hold them whole (core/losses/blocks.py). Classes stand last in a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mxnet import autograd, nd
from mxnet.ndarray import NDArray

from backends.mxnet.losses.cross_entropy import negative_log, pixel_weights
from core.losses import Block, Blocks, plan_blocks
from core.losses.blocks import BLOCK_VALUES

Cost = Callable[[NDArray, NDArray], NDArray]  # (logits [1, R, W, C], target [1, R, W]) -> what these pixels cost


def _plan(logits: NDArray, target: NDArray, align_corners: bool) -> Blocks:
    on_cpu = logits.context.device_type == "cpu"
    values = BLOCK_VALUES if on_cpu else 32 * BLOCK_VALUES  # a GPU wants work for all its cores
    return plan_blocks(logits.shape[2:], target.shape[1:], align_corners, logits.shape[1], values)


class _Resized:
    """A picture's logits [C, h, w] by blocks of rows at the labels' size, and their gradient back."""

    def __init__(self, picture: NDArray, plan: Blocks) -> None:
        self.plan = plan
        if plan.columns is None:
            self.across = nd.transpose(picture, (1, 2, 0))  # [h, W, C]
        else:
            self.columns = self._matrix(plan.columns, picture)
            across = nd.dot(self.columns, nd.transpose(picture, (2, 1, 0)))  # [W, h, C]
            self.across = nd.transpose(across, (1, 0, 2))

    def __iter__(self) -> Iterator[tuple[Block, NDArray, NDArray | None]]:
        """Each block, its logits [1, R, W, C] and its matrix [R, s]."""
        for block in self.plan.blocks:
            part, rows = self.across[block.source], None
            if self.plan.columns is not None:
                rows = self._matrix(block.rows, part)
                part = nd.dot(rows, part)
            yield block, nd.expand_dims(part, axis=0), rows

    def back(self, slope: NDArray) -> NDArray:
        """[h, W, C] to [C, h, w]."""
        if self.plan.columns is None:
            return nd.transpose(slope, (2, 0, 1))
        return nd.transpose(nd.dot(self.columns, nd.transpose(slope, (1, 0, 2)), transpose_a=True), (2, 1, 0))

    @staticmethod
    def _matrix(array: object, like: NDArray) -> NDArray:
        return nd.array(array, ctx=like.context, dtype=like.dtype)


class _Sum(autograd.Function):
    """The sum over blocks; the gradient at the logits' own size is found in the forward pass."""

    def __init__(self, target: NDArray, cost: Cost, plan: Blocks) -> None:
        super().__init__()
        self.target, self.cost, self.plan = target, cost, plan

    def forward(self, logits: NDArray) -> NDArray:
        values: list[NDArray] = []
        gradients = []
        for i in range(len(logits)):
            resized = _Resized(logits[i], self.plan)
            slope = nd.zeros_like(resized.across)
            for block, part, rows in resized:
                part.attach_grad()
                with autograd.record():
                    value = self.cost(part, self.target[i : i + 1, block.target])
                value.backward()
                values.append(value.astype("float64"))
                found = part.grad[0]
                slope[block.source] += found if rows is None else nd.dot(rows, found, transpose_a=True)
            gradients.append(resized.back(slope))
        self.gradient = nd.stack(*gradients)
        return nd.add_n(*values).astype(logits.dtype)

    def backward(self, upstream: NDArray) -> NDArray:
        return nd.broadcast_mul(self.gradient, upstream.reshape((1, 1, 1, 1)))


def sum_over_blocks(logits: NDArray, target: NDArray, cost: Cost, align_corners: bool) -> NDArray:
    """What the pixels of `target` [N, H, W] cost, of logits [N, C, h, w] resized to it; once differentiable."""
    return _Sum(target, cost, _plan(logits, target, align_corners))(logits)


def losses_of_pixels(logits: NDArray, target: NDArray, align_corners: bool) -> NDArray:
    """The cross-entropy of each pixel [N, H, W], 0 where it is ignored; no gradient."""
    with autograd.pause():
        losses = nd.empty(target.shape, ctx=logits.context, dtype=logits.dtype)
        plan = _plan(logits, target, align_corners)
        for i in range(len(logits)):
            for block, part, _ in _Resized(logits[i], plan):
                labels = target[i : i + 1, block.target]
                losses[i, block.target] = (negative_log(part, labels) * pixel_weights(part, labels, None))[0]
    return losses

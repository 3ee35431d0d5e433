"""Several processes: paddle.distributed under its own launcher, gloo for processors and NCCL for GPUs."""

from __future__ import annotations

import contextlib
import functools
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import paddle
import paddle.distributed as dist
from paddle import Tensor
from paddle.autograd import PyLayer, PyLayerContext

from core.shard import ALONE, Processes, Shard, Variables, barrier, lost

VARIABLES = Variables(
    "PADDLE_TRAINER_ID",
    "PADDLE_TRAINERS_NUM",
    ("PADDLE_TRAINER_ENDPOINTS", "PADDLE_CURRENT_ENDPOINT"),
    "python -m paddle.distributed.launch --nproc_per_node N -m backends.paddle.train …",
)


class PaddleProcesses:
    """core.shard.Processes over the group that Paddle's launcher made."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        with self._together(), contextlib.redirect_stdout(io.StringIO()):  # a table of flags
            dist.init_parallel_env()

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Whatever goes wrong between processes is one sentence."""
        try:
            yield
        except (RuntimeError, ValueError, OSError) as error:
            raise lost(self.shard, error) from error

    def sum(self, array: np.ndarray) -> np.ndarray:
        return np.asarray(self.sum_tensor(paddle.to_tensor(array)).numpy())

    def gather(self, array: np.ndarray) -> list[np.ndarray]:
        sizes = self.sum(np.eye(self.shard.world, dtype=np.int64)[self.shard.rank] * array.size)
        own = np.zeros(max(int(sizes.max()), 1), array.dtype)
        own[: array.size] = array
        return [part.numpy()[: int(size)] for part, size in zip(self.gather_tensor(paddle.to_tensor(own)), sizes)]

    def leave(self) -> None:
        barrier(self)

    def sum_tensor(self, tensor: Tensor) -> Tensor:
        """All-reduces in place."""
        with self._together():
            dist.all_reduce(tensor)
        return tensor

    def gather_tensor(self, tensor: Tensor) -> list[Tensor]:
        """Every process's tensor, all of one shape."""
        found: list[Tensor] = []
        with self._together():
            dist.all_gather(found, tensor)
        return found

    @paddle.no_grad()
    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Of all processes, in place and in one piece. A parameter that nothing uses has none in any process."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if gradients:
            flat = self.sum_tensor(paddle.concat([gradient.flatten() for gradient in gradients]))
            parts = paddle.split(flat, [gradient.size for gradient in gradients])
            for gradient, part in zip(gradients, parts):
                gradient.set_value(part.reshape(gradient.shape))

    @paddle.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        """The mean over all processes, in place."""
        for tensor in tensors:
            tensor.set_value(self.sum_tensor(tensor / self.shard.world))


@functools.cache
def connect() -> Processes:
    """This run's processes, by the launcher's environment variables. Raises ConfigError where they are half set."""
    shard = VARIABLES.read(os.environ)
    return PaddleProcesses(shard) if shard.world > 1 else ALONE


def local_rank() -> int:
    """Which of this machine's processes this is, from 0: its GPU."""
    return int(os.environ.get("PADDLE_LOCAL_RANK") or VARIABLES.read(os.environ).rank)


class SynchronisedNorm(PyLayer):
    """Batch norm over the values of all processes: normalised, and their mean and biased variance.

    Means and squared deviations of the processes are put together as Chan et al. (1979) do: no square of a mean is
    subtracted from a mean of squares. Paddle's own nn.SyncBatchNorm is for GPUs alone.
    """

    @staticmethod
    def forward(
        ctx: PyLayerContext, x: Tensor, weight: Tensor, bias: Tensor, eps: float, processes: PaddleProcesses
    ) -> tuple[Tensor, Tensor, Tensor]:
        wide = x.astype(weight.dtype)
        axes, shape = [0, *range(2, x.ndim)], [1, -1] + [1] * (x.ndim - 2)
        mean = wide.mean(axes)
        variance = (wide - mean.reshape(shape)).square().mean(axes)
        count = paddle.full([1], x.size // x.shape[1], weight.dtype)
        found = paddle.stack(processes.gather_tensor(paddle.concat([mean, variance, count])))  # [world, 2 C + 1]
        counts, means = found[:, -1:], found[:, : len(mean)]
        share = counts / counts.sum()
        mean = (means * share).sum(0)
        variance = ((found[:, len(mean) : -1] + (means - mean).square()) * share).sum(0)
        scale = (variance + eps).rsqrt()
        normal = (wide - mean.reshape(shape)) * scale.reshape(shape)
        ctx.save_for_backward(normal, weight, scale, counts.sum())
        ctx.processes, ctx.dtype = processes, x.dtype
        ctx.mark_non_differentiable(mean, variance)
        return (normal * weight.reshape(shape) + bias.reshape(shape)).astype(x.dtype), mean, variance

    @staticmethod
    def backward(ctx: PyLayerContext, slope: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        normal, weight, scale, count = ctx.saved_tensor()
        slope = slope.astype(weight.dtype)
        axes, shape = [0, *range(2, slope.ndim)], [1, -1] + [1] * (slope.ndim - 2)
        of_bias, of_weight = slope.sum(axes), (slope * normal).sum(axes)
        summed = ctx.processes.sum_tensor(paddle.concat([of_bias, of_weight])) / count
        mean, along = (part.reshape(shape) for part in paddle.split(summed, 2))
        at_x = (slope - mean - normal * along) * (weight * scale).reshape(shape)
        return at_x.astype(ctx.dtype), of_weight, of_bias

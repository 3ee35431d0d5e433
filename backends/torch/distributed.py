"""Several processes: torch.distributed under torchrun, gloo for processors and NCCL for GPUs."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from core.shard import ALONE, Processes, Shard, Variables, barrier, lost

VARIABLES = Variables(
    "RANK", "WORLD_SIZE", ("MASTER_ADDR", "MASTER_PORT"), "torchrun --nproc_per_node N -m -- backends.torch.train …"
)


class TorchProcesses:
    """core.shard.Processes: what frameworks need not see goes through gloo, tensors through their device's backend."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        with self._together():
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Whatever goes wrong between processes is one sentence."""
        try:
            yield
        except RuntimeError as error:
            raise lost(self.shard, error) from error

    def sum(self, array: np.ndarray) -> np.ndarray:
        return self.sum_tensor(torch.from_numpy(array.copy())).numpy()

    def gather(self, array: np.ndarray) -> list[np.ndarray]:
        sizes = self.sum(np.eye(self.shard.world, dtype=np.int64)[self.shard.rank] * array.size)
        own = torch.zeros(max(int(sizes.max()), 1), dtype=torch.from_numpy(array).dtype)
        own[: array.size] = torch.from_numpy(array)
        return [part[: int(size)].numpy() for part, size in zip(self.gather_tensor(own), sizes)]

    def leave(self) -> None:
        barrier(self)  # gloo aborts a process that still listens to one that has destroyed its group
        if torch.cuda.is_available():
            dist.destroy_process_group()

    def sum_tensor(self, tensor: Tensor) -> Tensor:
        """All-reduces in place."""
        with self._together():
            dist.all_reduce(tensor)
        return tensor

    def gather_tensor(self, tensor: Tensor) -> list[Tensor]:
        """Every process's tensor, all of one shape."""
        found = [torch.empty_like(tensor) for _ in range(self.shard.world)]
        with self._together():
            dist.all_gather(found, tensor)
        return found

    @torch.no_grad()
    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Of all processes, in place and in one piece. A parameter that nothing uses has none in any process."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if gradients:
            flat = self.sum_tensor(torch.cat([gradient.flatten() for gradient in gradients]))
            for gradient, part in zip(gradients, flat.split([gradient.numel() for gradient in gradients])):
                gradient.copy_(part.view_as(gradient))

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        """The mean over all processes, in place."""
        for tensor in tensors:
            self.sum_tensor(tensor.div_(self.shard.world))


@functools.cache
def connect() -> Processes:
    """This run's processes, by torchrun's environment variables. Raises ConfigError where they are half set."""
    shard = VARIABLES.read(os.environ)
    return TorchProcesses(shard) if shard.world > 1 else ALONE


def local_rank() -> int:
    """Which of this machine's processes this is, from 0: its GPU."""
    return int(os.environ.get("LOCAL_RANK") or VARIABLES.read(os.environ).rank)


class SynchronisedNorm(torch.autograd.Function):
    """Batch norm over the values of all processes: normalised, and their mean, biased variance and number.

    Means and squared deviations of the processes are put together as Chan et al. (1979) do: no square of a mean is
    subtracted from a mean of squares.
    """

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float, processes: TorchProcesses
    ) -> tuple[Tensor, Tensor, Tensor]:
        wide = x.to(weight.dtype)
        own = wide.transpose(0, 1).flatten(1)  # [C, n]
        variance, mean = torch.var_mean(own, dim=1, correction=0)
        count = own.new_full((1,), own.shape[1])
        found = torch.stack(processes.gather_tensor(torch.cat([mean, variance, count])))  # [world, 2 C + 1]
        counts, means = found[:, -1:], found[:, : len(mean)]
        share = counts / counts.sum()
        mean = (means * share).sum(0)
        variance = ((found[:, len(mean) : -1] + (means - mean).square()) * share).sum(0)
        shape = [1, -1] + [1] * (x.dim() - 2)
        scale = (variance + eps).rsqrt()
        normal = (wide - mean.view(shape)) * scale.view(shape)
        ctx.save_for_backward(normal, weight, scale)
        ctx.processes, ctx.count, ctx.dtype = processes, counts.sum(), x.dtype
        ctx.mark_non_differentiable(mean, variance)
        return (normal * weight.view(shape) + bias.view(shape)).to(x.dtype), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
        normal, weight, scale = ctx.saved_tensors
        slope = slope.to(weight.dtype)
        axes, shape = [0, *range(2, slope.dim())], [1, -1] + [1] * (slope.dim() - 2)
        of_bias, of_weight = slope.sum(axes), (slope * normal).sum(axes)
        summed = ctx.processes.sum_tensor(torch.cat([of_bias, of_weight])) / ctx.count
        mean, along = (part.view(shape) for part in summed.split(len(weight)))
        at_x = (slope - mean - normal * along) * (weight * scale).view(shape)
        return at_x.to(ctx.dtype), of_weight, of_bias, None, None

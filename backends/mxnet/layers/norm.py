"""Normalisation."""

from __future__ import annotations

from types import ModuleType

import numpy as np
from mxnet import autograd, init
from mxnet.gluon import Block, HybridBlock, nn

from backends.mxnet.distributed import MXNetProcesses
from backends.mxnet.layers.network import Tensor
from core.arch.parts import GroupNormSpec, NormSpec


class BatchNorm(nn.BatchNorm):
    """Batch norm over [N, C, ...].

    MXNet's momentum is the share the old statistics keep, its running variance the biased one; both statistics change
    in the backward pass, not in the forward. Where a run has several `processes` the statistics are those of the whole
    batch, and change in the forward pass of what is learnt from.
    """

    processes: MXNetProcesses | None = None

    def __init__(self, channels: int, spec: NormSpec) -> None:
        # scale=True: without it MXNet fixes the scale at 1 (`fix_gamma`).
        super().__init__(
            axis=1, momentum=1 - spec.momentum, epsilon=spec.eps, center=True, scale=True, in_channels=channels
        )
        self.eps, self.old = spec.eps, float(np.float32(1 - spec.momentum))  # MXNet's kernel holds it in float32

    def share(self, processes: MXNetProcesses, name: str, dtype: str) -> None:
        """Normalises over all processes from now on. `name`: the layer's, by which the processes know its sums."""
        self.processes, self.layer = processes, name
        channels = self.in_channels
        for use, size in (("forward", processes.shard.world * (2 * channels + 1)), ("backward", 2 * channels)):
            processes.key(size, dtype, name, use)

    def hybrid_forward(
        self, F: ModuleType, x: Tensor, gamma: Tensor, beta: Tensor, running_mean: Tensor, running_var: Tensor
    ) -> Tensor:
        if self.processes is None or not autograd.is_training() or self._kwargs["use_global_stats"]:
            return super().hybrid_forward(F, x, gamma, beta, running_mean, running_var)
        y, mean, variance = F.Custom(x, gamma, beta, op_type="synchronised_norm", layer=self.layer, eps=repr(self.eps))
        if autograd.is_recording():
            with autograd.pause():
                for kept, found in ((running_mean, mean), (running_var, variance)):
                    kept[:] = self.old * kept + (1 - self.old) * found
        return y


class GroupNorm(HybridBlock):
    """Group norm over [N, C, H, W], scale and shift per channel; MXNet's own has one for each group."""

    def __init__(self, channels: int, spec: GroupNormSpec) -> None:
        super().__init__()
        self.groups, self.eps = spec.groups, spec.eps
        self.gamma = self.params.get("gamma", shape=(channels,), init=init.One())
        self.beta = self.params.get("beta", shape=(channels,), init=init.Zero())

    def hybrid_forward(self, F: ModuleType, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        grouped = F.reshape(F.reshape(x, (0, -4, self.groups, -1, -2)), (0, 0, -1))  # [N, groups, C / groups * H * W]
        centred = F.broadcast_sub(grouped, F.mean(grouped, axis=2, keepdims=True))
        variance = F.mean(F.square(centred), axis=2, keepdims=True)
        y = F.reshape_like(F.broadcast_div(centred, F.sqrt(variance + self.eps)), x)
        return F.broadcast_add(F.broadcast_mul(y, F.reshape(gamma, (1, -1, 1, 1))), F.reshape(beta, (1, -1, 1, 1)))


def keep_statistics(model: Block) -> None:
    """Batch norms normalise by their running statistics and keep them; before the network's first graph is made."""

    def keep(block: Block) -> None:
        if isinstance(block, BatchNorm):
            block._kwargs["use_global_stats"] = True

    model.apply(keep)

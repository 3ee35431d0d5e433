"""Normalisation."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle.distributed import PaddleProcesses, SynchronisedNorm
from core.arch.parts import GroupNormSpec, NormSpec


class BatchNorm(nn.BatchNorm2D):
    """Batch norm over [N, C, ...]; Paddle's `momentum` is the share the old statistics keep.

    Its running variance is the biased one, as the contract asks. A batch of one value per channel, which PyTorch
    refuses, would get a variance of zero: refused here too, where the size is known. Where a run has several
    `processes` the statistics are those of the whole batch.
    """

    processes: PaddleProcesses | None = None

    def __init__(self, channels: int, spec: NormSpec) -> None:
        super().__init__(channels, momentum=1 - spec.momentum, epsilon=spec.eps, data_format="NCHW")

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.processes is not None:
            # As Paddle's own kernel, which holds both constants in float32.
            old, eps = np.float32(self._momentum), float(np.float32(self._epsilon))
            out, mean, variance = SynchronisedNorm.apply(x, self.weight, self.bias, eps, self.processes)
            for kept, found in ((self._mean, mean), (self._variance, variance)):
                kept.set_value((float(old) * kept + float(1 - old) * found).detach())
            return out
        if self.training and paddle.in_dynamic_mode() and x.size == x.shape[1]:
            raise ValueError(f"batch norm cannot train on one value per channel: {list(x.shape)}")
        return F.batch_norm(
            x,
            self._mean,
            self._variance,
            self.weight,
            self.bias,
            training=self.training,
            momentum=self._momentum,
            epsilon=self._epsilon,
            data_format="NCHW",  # of [N, C, L] as well
            use_global_stats=None,
        )


class GroupNorm(nn.GroupNorm):
    """Group norm over [N, C, H, W], scale and shift per channel."""

    def __init__(self, channels: int, spec: GroupNormSpec) -> None:
        super().__init__(spec.groups, channels, epsilon=spec.eps, data_format="NCHW")


def keep_statistics(model: nn.Layer) -> None:
    """Batch norms normalise by their running statistics and keep them, until the next `model.train()`."""
    for layer in model.sublayers():
        if isinstance(layer, BatchNorm):
            layer.eval()


def running_statistics(model: nn.Layer) -> list[Tensor]:
    """Means and variances of the batch norms; Paddle holds them as parameters that do not learn, not as buffers."""
    norms = [layer for layer in model.sublayers(include_self=True) if isinstance(layer, BatchNorm)]
    return [statistic for norm in norms for statistic in (norm._mean, norm._variance)]

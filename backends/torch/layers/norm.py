"""Normalisation."""

from __future__ import annotations

from torch import Tensor, nn

from backends.torch.distributed import SynchronisedNorm, TorchProcesses
from core.arch.parts import GroupNormSpec, NormSpec


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over [N, C, ...] whose running variance is the biased one, as in Paddle and MXNet.

    PyTorch's own running variance is n / (n - 1) times the batch's; here that is undone after each training step, so
    that the statistics are the same in every backend. Where a run has several `processes` they are those of the whole
    batch; torch.nn.SyncBatchNorm would bring PyTorch's own back.
    """

    processes: TorchProcesses | None = None

    def __init__(self, channels: int, spec: NormSpec) -> None:
        super().__init__(channels, eps=spec.eps, momentum=spec.momentum, affine=True, track_running_stats=True)

    def _check_input_dim(self, x: Tensor) -> None:
        if x.dim() < 3:
            raise ValueError(f"batch norm expects [N, C, ...], got {tuple(x.shape)}")

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        if self.processes is not None:
            out, mean, variance = SynchronisedNorm.apply(x, self.weight, self.bias, self.eps, self.processes)
            self.running_mean.data.lerp_(mean, self.momentum)
            self.running_var.data.lerp_(variance, self.momentum)
            return out
        before = self.running_var.detach().clone()
        out = super().forward(x)
        n = x.numel() // x.shape[1]
        # .data: autograd keeps a reference to the buffer but does not read it in training mode.
        self.running_var.data.mul_((n - 1) / n).add_(before, alpha=(1 - self.momentum) / n)
        return out


class GroupNorm(nn.GroupNorm):
    """Group norm over [N, C, H, W], scale and shift per channel."""

    def __init__(self, channels: int, spec: GroupNormSpec) -> None:
        super().__init__(spec.groups, channels, eps=spec.eps, affine=True)


def keep_statistics(model: nn.Module) -> None:
    """Batch norms normalise by their running statistics and keep them, until the next `model.train()`."""
    for module in model.modules():
        if isinstance(module, BatchNorm):
            module.eval()

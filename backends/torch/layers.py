"""Building blocks, with every default written out that differs between frameworks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.arch.parts import DropoutSpec, NormSpec, PyramidSpec


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over [N, C, ...] whose running variance is the biased one, as in Paddle and MXNet.

    PyTorch's own running variance is n / (n - 1) times the batch's; here that is undone after each training step, so
    that the statistics are the same in every backend.
    """

    def __init__(self, channels: int, spec: NormSpec) -> None:
        super().__init__(channels, eps=spec.eps, momentum=spec.momentum, affine=True, track_running_stats=True)

    def _check_input_dim(self, x: Tensor) -> None:
        if x.dim() < 3:
            raise ValueError(f"batch norm expects [N, C, ...], got {tuple(x.shape)}")

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        before = self.running_var.detach().clone()
        out = super().forward(x)
        n = x.numel() // x.shape[1]
        # .data: autograd keeps a reference to the buffer but does not read it in training mode.
        self.running_var.data.mul_((n - 1) / n).add_(before, alpha=(1 - self.momentum) / n)
        return out


def activation(name: str, channels: int) -> nn.Module:
    """`relu`, `prelu` (a slope per channel) or `none`."""
    if name == "relu":
        return nn.ReLU(inplace=True)
    if name == "prelu":
        return nn.PReLU(channels)
    return nn.Identity()


class ConvNormAct(nn.Module):
    """Convolution - batch norm - activation. Padding keeps the size at stride 1 unless given."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int,
        norm: NormSpec,
        *,
        stride: int = 1,
        padding: int | None = None,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        act: str = "relu",
    ) -> None:
        super().__init__()
        if padding is None:
            padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(channels, width, kernel, stride, padding, dilation, groups, bias)
        self.bn = BatchNorm(width, norm)
        self.act = activation(act, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class NormAct(nn.Module):
    """Batch norm - activation."""

    def __init__(self, channels: int, norm: NormSpec, *, act: str = "relu") -> None:
        super().__init__()
        self.bn = BatchNorm(channels, norm)
        self.act = activation(act, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(x))


class ConvNorm1d(nn.Module):
    """Bias-free pointwise convolution of [N, C, L] - batch norm."""

    def __init__(self, channels: int, width: int, norm: NormSpec) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, width, 1, bias=False)
        self.bn = BatchNorm(width, norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class ScaledInInference(nn.Module):
    """Dropout that leaves kept values as they are in training and multiplies by 1 - p in inference."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return x * torch.empty_like(x).bernoulli_(1 - self.p)
        return x * (1 - self.p)


def dropout(spec: DropoutSpec) -> nn.Module:
    if spec.p == 0:
        return nn.Identity()
    if spec.scale == "inference":
        return ScaledInInference(spec.p)
    return nn.Dropout2d(spec.p) if spec.unit == "channel" else nn.Dropout(spec.p)


def resize(x: Tensor, size: tuple[int, int] | torch.Size, align_corners: bool) -> Tensor:
    """Bilinear resize of [N, C, h, w] to [N, C, *size]; half-pixel centres unless `align_corners`."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=align_corners)


def strided_pool(x: Tensor, bins: int) -> Tensor:
    """[N, C, bins, bins]: means over windows of side // bins + 1, the first cut short in front (SemSegPaddle)."""
    kernel = [side // bins + 1 for side in x.shape[2:]]
    pad = [k * bins - side for k, side in zip(kernel, x.shape[2:])]
    sums = F.avg_pool2d(F.pad(x, (pad[1], 0, pad[0], 0)), kernel, divisor_override=1)
    rows, columns = (x.new_tensor([k - p] + [k] * (bins - 1)) for k, p in zip(kernel, pad))
    return sums / (rows[:, None] * columns)


class PyramidPooling(nn.Module):
    """Pooled, convolved and resized copies of the input, concatenated with it (core.arch.parts.PyramidSpec)."""

    def __init__(self, channels: int, spec: PyramidSpec, norm: NormSpec) -> None:
        super().__init__()
        self.spec = spec
        self.branches = nn.ModuleList(
            ConvNormAct(channels, spec.width, 1, norm, bias=spec.bias, act=spec.act) for _ in spec.bins
        )

    def forward(self, x: Tensor) -> Tensor:
        pool = F.adaptive_avg_pool2d if self.spec.pooling == "adaptive" else strided_pool
        pooled = [
            resize(branch(pool(x, bins)), x.shape[2:], self.spec.align_corners)
            for branch, bins in zip(self.branches, self.spec.bins)
        ]
        return torch.cat([x, *pooled] if self.spec.input_first else [*pooled, x], dim=1)

"""Convolutions with what follows them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch.layers.activation import activation
from backends.torch.layers.norm import BatchNorm, GroupNorm
from core.arch.inventory import Kernel
from core.arch.parts import GroupNormSpec, NormSpec, Padding, halving_kernel, halving_padding, same_padding


class ConvNormAct(nn.Module):
    """Convolution - batch norm - activation. Padding keeps the size at stride 1 unless given.

    padding `same` (core.arch.parts.Padding) is for stride 2 and a square kernel; at stride 1 it is the usual one.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: Kernel,
        norm: NormSpec,
        *,
        stride: int = 1,
        padding: int | tuple[int, int] | Padding = "symmetric",
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        act: str = "relu",
    ) -> None:
        super().__init__()
        self.halves = halving_kernel(kernel, stride, dilation) if padding == "same" else 0
        if isinstance(padding, str):
            padding = 0 if self.halves else same_padding(kernel, dilation)
        self.conv = nn.Conv2d(channels, width, kernel, stride, padding, dilation, groups, bias)
        self.bn = BatchNorm(width, norm)
        self.act = activation(act, width)

    def forward(self, x: Tensor) -> Tensor:
        if self.halves:
            x = _pad_for_halving(x, self.halves)
        return self.act(self.bn(self.conv(x)))


def _pad_for_halving(x: Tensor, kernel: int) -> Tensor:
    """[N, C, h, w] with the zeros that `same` padding gives a convolution of stride 2."""
    rows, columns = (halving_padding(kernel, side) for side in x.shape[2:])
    return F.pad(x, (*columns, *rows))


class ConvGroupNormAct(nn.Module):
    """Bias-free convolution that keeps the size - group norm - ReLU."""

    def __init__(self, channels: int, width: int, kernel: Kernel, norm: GroupNormSpec) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel, padding=same_padding(kernel), bias=False)
        self.norm = GroupNorm(width, norm)
        self.act = activation("relu", width)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))


class ConvAct(nn.Module):
    """Convolution - activation. Padding keeps the size at stride 1 unless given."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: Kernel,
        *,
        stride: int = 1,
        padding: int | tuple[int, int] | None = None,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        act: str = "relu",
    ) -> None:
        super().__init__()
        if padding is None:
            padding = same_padding(kernel, dilation)
        self.conv = nn.Conv2d(channels, width, kernel, stride, padding, dilation, groups, bias)
        self.act = activation(act, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x))


class NormAct(nn.Module):
    """Batch norm - activation."""

    def __init__(self, channels: int, norm: NormSpec, *, act: str = "relu") -> None:
        super().__init__()
        self.bn = BatchNorm(channels, norm)
        self.act = activation(act, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(x))


class NormActConv(nn.Module):
    """Batch norm - activation - bias-free convolution that keeps the size."""

    def __init__(self, channels: int, width: int, kernel: Kernel, norm: NormSpec, *, act: str = "relu") -> None:
        super().__init__()
        self.bn = BatchNorm(channels, norm)
        self.act = activation(act, channels)
        self.conv = nn.Conv2d(channels, width, kernel, padding=same_padding(kernel), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.act(self.bn(x)))


class ConvNorm1d(nn.Module):
    """Bias-free pointwise convolution of [N, C, L] - batch norm."""

    def __init__(self, channels: int, width: int, norm: NormSpec) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, width, 1, bias=False)
        self.bn = BatchNorm(width, norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))

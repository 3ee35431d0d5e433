"""Convolutions with what follows them."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.layers.activation import activation
from backends.mxnet.layers.network import Tensor
from backends.mxnet.layers.norm import BatchNorm, GroupNorm
from core.arch.inventory import Kernel
from core.arch.parts import GroupNormSpec, NormSpec, Padding, halving_kernel, same_padding


class ConvNormAct(HybridBlock):
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
        self.conv = nn.Conv2D(width, kernel, stride, padding, dilation, groups, use_bias=bias, in_channels=channels)
        self.bn = BatchNorm(width, norm)
        self.act = activation(act, width)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        if self.halves:
            x = _pad_for_halving(F, x, self.halves)
        return self.act(self.bn(self.conv(x)))


def _pad_for_halving(F: ModuleType, x: Tensor, kernel: int) -> Tensor:
    """[N, C, h, w] with the zeros that `same` padding gives a convolution of stride 2.

    A graph for any size cannot ask whether a side is even. Both ways of padding give maps of one size (an even side
    gets one more row behind, which no window reaches), and one of the two is taken by multiplication with 1 and 0.
    """
    half = kernel // 2
    for axis in (2, 3):
        last = F.max(F.contrib.arange_like(x, axis=axis))  # odd on an even side
        even = F.reshape(last - 2 * F.floor(last / 2), (1, 1, 1, 1))
        odd_side = F.broadcast_mul(_pad(F, x, axis, half, half), 1 - even)
        x = odd_side + F.broadcast_mul(_pad(F, x, axis, half - 1, half + 1), even)
    return x


def _pad(F: ModuleType, x: Tensor, axis: int, before: int, after: int) -> Tensor:
    widths = [0] * 8  # before and after, of N, C, h and w
    widths[2 * axis : 2 * axis + 2] = [before, after]
    return F.pad(x, mode="constant", pad_width=tuple(widths), constant_value=0)


class ConvGroupNormAct(HybridBlock):
    """Bias-free convolution that keeps the size - group norm - ReLU."""

    def __init__(self, channels: int, width: int, kernel: Kernel, norm: GroupNormSpec) -> None:
        super().__init__()
        self.conv = nn.Conv2D(width, kernel, padding=same_padding(kernel), use_bias=False, in_channels=channels)
        self.norm = GroupNorm(width, norm)
        self.act = activation("relu", width)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))


class ConvAct(HybridBlock):
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
        self.conv = nn.Conv2D(width, kernel, stride, padding, dilation, groups, use_bias=bias, in_channels=channels)
        self.act = activation(act, width)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.act(self.conv(x))


class NormAct(HybridBlock):
    """Batch norm - activation."""

    def __init__(self, channels: int, norm: NormSpec, *, act: str = "relu") -> None:
        super().__init__()
        self.bn = BatchNorm(channels, norm)
        self.act = activation(act, channels)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.act(self.bn(x))


class NormActConv(HybridBlock):
    """Batch norm - activation - bias-free convolution that keeps the size."""

    def __init__(self, channels: int, width: int, kernel: Kernel, norm: NormSpec, *, act: str = "relu") -> None:
        super().__init__()
        self.bn = BatchNorm(channels, norm)
        self.act = activation(act, channels)
        self.conv = nn.Conv2D(width, kernel, padding=same_padding(kernel), use_bias=False, in_channels=channels)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.conv(self.act(self.bn(x)))


class ConvNorm1d(HybridBlock):
    """Bias-free pointwise convolution of [N, C, L] - batch norm."""

    def __init__(self, channels: int, width: int, norm: NormSpec) -> None:
        super().__init__()
        self.conv = nn.Conv1D(width, 1, use_bias=False, in_channels=channels)
        self.bn = BatchNorm(width, norm)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        # MXNet's float32 batch norm fails on the [N, C, L] that a Conv1D leaves, hence the fourth axis.
        return F.squeeze(self.bn(F.expand_dims(self.conv(x), axis=3)), axis=3)

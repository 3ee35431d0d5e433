"""Convolutions with what follows them."""

from __future__ import annotations

from paddle import Tensor, nn

from backends.paddle.layers.activation import activation
from backends.paddle.layers.norm import BatchNorm, GroupNorm
from core.arch.inventory import Kernel
from core.arch.parts import GroupNormSpec, NormSpec, Padding, halving_kernel, same_padding


class ConvNormAct(nn.Layer):
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
        pads: int | tuple[int, int] | str
        if isinstance(padding, str):  # Paddle's own `SAME` would forget a dilation
            halves = padding == "same" and halving_kernel(kernel, stride, dilation)
            pads = "SAME" if halves else same_padding(kernel, dilation)
        else:
            pads = padding
        self.conv = nn.Conv2D(
            channels, width, kernel, stride, pads, dilation, groups, bias_attr=None if bias else False
        )
        self.bn = BatchNorm(width, norm)
        self.act = activation(act, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class ConvGroupNormAct(nn.Layer):
    """Bias-free convolution that keeps the size - group norm - ReLU."""

    def __init__(self, channels: int, width: int, kernel: Kernel, norm: GroupNormSpec) -> None:
        super().__init__()
        self.conv = nn.Conv2D(channels, width, kernel, padding=same_padding(kernel), bias_attr=False)
        self.norm = GroupNorm(width, norm)
        self.act = activation("relu", width)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))


class ConvAct(nn.Layer):
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
        self.conv = nn.Conv2D(
            channels, width, kernel, stride, padding, dilation, groups, bias_attr=None if bias else False
        )
        self.act = activation(act, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x))


class NormAct(nn.Layer):
    """Batch norm - activation."""

    def __init__(self, channels: int, norm: NormSpec, *, act: str = "relu") -> None:
        super().__init__()
        self.bn = BatchNorm(channels, norm)
        self.act = activation(act, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(x))


class NormActConv(nn.Layer):
    """Batch norm - activation - bias-free convolution that keeps the size."""

    def __init__(self, channels: int, width: int, kernel: Kernel, norm: NormSpec, *, act: str = "relu") -> None:
        super().__init__()
        self.bn = BatchNorm(channels, norm)
        self.act = activation(act, channels)
        self.conv = nn.Conv2D(channels, width, kernel, padding=same_padding(kernel), bias_attr=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.act(self.bn(x)))


class ConvNorm1d(nn.Layer):
    """Bias-free pointwise convolution of [N, C, L] - batch norm."""

    def __init__(self, channels: int, width: int, norm: NormSpec) -> None:
        super().__init__()
        self.conv = nn.Conv1D(channels, width, 1, bias_attr=False)
        self.bn = BatchNorm(width, norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))

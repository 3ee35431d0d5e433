"""Convolutions with what follows them."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.layers.activation import activation
from backends.mxnet.layers.network import Tensor
from backends.mxnet.layers.norm import BatchNorm
from core.arch.inventory import Kernel
from core.arch.parts import NormSpec, same_padding


class ConvNormAct(HybridBlock):
    """Convolution - batch norm - activation. Padding keeps the size at stride 1 unless given."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: Kernel,
        norm: NormSpec,
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
        self.bn = BatchNorm(width, norm)
        self.act = activation(act, width)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class NormAct(HybridBlock):
    """Batch norm - activation."""

    def __init__(self, channels: int, norm: NormSpec, *, act: str = "relu") -> None:
        super().__init__()
        self.bn = BatchNorm(channels, norm)
        self.act = activation(act, channels)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.act(self.bn(x))


class ConvNorm1d(HybridBlock):
    """Bias-free pointwise convolution of [N, C, L] - batch norm."""

    def __init__(self, channels: int, width: int, norm: NormSpec) -> None:
        super().__init__()
        self.conv = nn.Conv1D(width, 1, use_bias=False, in_channels=channels)
        self.bn = BatchNorm(width, norm)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        # MXNet's float32 batch norm fails on the [N, C, L] that a Conv1D leaves, hence the fourth axis.
        return F.squeeze(self.bn(F.expand_dims(self.conv(x), axis=3)), axis=3)

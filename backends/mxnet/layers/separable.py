"""Separable convolutions."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.layers.conv import ConvNormAct
from backends.mxnet.layers.network import Tensor
from core.arch.inventory import Kernel
from core.arch.parts import NormSpec, Separation, same_padding


class SeparableConv(HybridBlock):
    """Depthwise convolution, then a pointwise one with batch norm and activation (core.arch.parts.Separation)."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: Kernel,
        norm: NormSpec,
        *,
        separation: Separation = "bare",
        stride: int = 1,
        dilation: int = 1,
        bias: bool = False,
        act: str = "relu",
    ) -> None:
        super().__init__()
        if separation == "bare":
            padding = same_padding(kernel, dilation)
            self.depthwise = nn.Conv2D(
                channels, kernel, stride, padding, dilation, channels, use_bias=bias, in_channels=channels
            )
        else:
            between = act if separation == "norm_act" else "none"
            self.depthwise = ConvNormAct(
                channels,
                channels,
                kernel,
                norm,
                stride=stride,
                dilation=dilation,
                groups=channels,
                bias=bias,
                act=between,
            )
        self.pointwise = ConvNormAct(channels, width, 1, norm, bias=bias, act=act)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


def separable_conv(
    channels: int,
    width: int,
    kernel: Kernel,
    norm: NormSpec,
    *,
    separation: Separation,
    dilation: int = 1,
    bias: bool = False,
) -> HybridBlock:
    """Convolution - batch norm - ReLU, the convolution whole or taken apart."""
    if separation == "whole":
        return ConvNormAct(channels, width, kernel, norm, dilation=dilation, bias=bias)
    return SeparableConv(channels, width, kernel, norm, separation=separation, dilation=dilation, bias=bias)

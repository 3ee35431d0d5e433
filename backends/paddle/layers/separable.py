"""Separable convolutions."""

from __future__ import annotations

from paddle import Tensor, nn

from backends.paddle.layers.conv import ConvNormAct
from core.arch.inventory import Kernel
from core.arch.parts import NormSpec, Separation, same_padding


class SeparableConv(nn.Layer):
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
        self.depthwise: nn.Layer
        if separation == "bare":
            padding = same_padding(kernel, dilation)
            self.depthwise = nn.Conv2D(
                channels, channels, kernel, stride, padding, dilation, channels, bias_attr=None if bias else False
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

    def forward(self, x: Tensor) -> Tensor:
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
) -> nn.Layer:
    """Convolution - batch norm - ReLU, the convolution whole or taken apart."""
    if separation == "whole":
        return ConvNormAct(channels, width, kernel, norm, dilation=dilation, bias=bias)
    return SeparableConv(channels, width, kernel, norm, separation=separation, dilation=dilation, bias=bias)

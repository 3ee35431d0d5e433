"""Atrous spatial pyramid pooling."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn

from backends.paddle.layers.conv import ConvNormAct
from backends.paddle.layers.dropout import dropout
from backends.paddle.layers.pooling import global_pool
from backends.paddle.layers.separable import separable_conv
from core.arch.parts import ASPPSpec, NormSpec


class ASPP(nn.Layer):
    """Convolutions of several dilations and the picture's mean, joined and projected (core.arch.parts.ASPPSpec)."""

    def __init__(self, channels: int, spec: ASPPSpec, norm: NormSpec) -> None:
        super().__init__()
        self.pool_first, width, bias = spec.pool_first, spec.width, spec.bias
        self.branches = nn.LayerList([ConvNormAct(channels, width, 1, norm, bias=bias)])
        for rate in spec.rates:
            self.branches.append(
                separable_conv(channels, width, 3, norm, separation=spec.separation, dilation=rate, bias=bias)
            )
        self.pool = ConvNormAct(channels, width, 1, norm)
        joined = (len(spec.rates) + 2) * width
        self.project = ConvNormAct(joined, spec.out_width, spec.out_kernel, norm, bias=bias)
        self.dropout = dropout(spec.dropout)

    def forward(self, x: Tensor) -> Tensor:
        mean = self.pool(global_pool(x)).expand([-1, -1, *x.shape[2:]])
        maps = [branch(x) for branch in self.branches]
        joined = paddle.concat([mean, *maps] if self.pool_first else [*maps, mean], axis=1)
        return self.dropout(self.project(joined))

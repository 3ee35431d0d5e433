"""Atrous spatial pyramid pooling."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.layers.concat import concat
from backends.mxnet.layers.conv import ConvNormAct
from backends.mxnet.layers.dropout import dropout
from backends.mxnet.layers.network import Tensor
from backends.mxnet.layers.pooling import global_pool
from backends.mxnet.layers.separable import separable_conv
from core.arch.parts import ASPPSpec, NormSpec


class ASPP(HybridBlock):
    """Convolutions of several dilations and the picture's mean, joined and projected (core.arch.parts.ASPPSpec)."""

    def __init__(self, channels: int, spec: ASPPSpec, norm: NormSpec) -> None:
        super().__init__()
        self.pool_first, width, bias = spec.pool_first, spec.width, spec.bias
        self.branches = nn.HybridSequential()
        self.branches.add(ConvNormAct(channels, width, 1, norm, bias=bias))
        for rate in spec.rates:
            self.branches.add(
                separable_conv(channels, width, 3, norm, separation=spec.separation, dilation=rate, bias=bias)
            )
        self.pool = ConvNormAct(channels, width, 1, norm)
        joined = (len(spec.rates) + 2) * width
        self.project = ConvNormAct(joined, spec.out_width, spec.out_kernel, norm, bias=bias)
        self.dropout = dropout(spec.dropout)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        mean = F.broadcast_like(self.pool(global_pool(F, x)), x, lhs_axes=(2, 3), rhs_axes=(2, 3))
        maps = [branch(x) for branch in self.branches]
        joined = concat(F, *([mean, *maps] if self.pool_first else [*maps, mean]))
        return self.dropout(self.project(joined))

"""Pyramid pooling."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn

from backends.paddle.layers.conv import ConvAct, ConvNormAct
from backends.paddle.layers.pooling import adaptive_pool, strided_pool
from backends.paddle.layers.resize import resize
from core.arch.parts import NormSpec, PyramidSpec


def _branch(channels: int, bins: int, spec: PyramidSpec, norm: NormSpec) -> nn.Layer:
    if spec.normalised(bins):
        return ConvNormAct(channels, spec.width, 1, norm, bias=spec.bias, act=spec.act)
    return ConvAct(channels, spec.width, 1, bias=True, act=spec.act)


class PyramidPooling(nn.Layer):
    """Pooled, convolved and resized copies of the input, concatenated with it (core.arch.parts.PyramidSpec)."""

    def __init__(self, channels: int, spec: PyramidSpec, norm: NormSpec) -> None:
        super().__init__()
        self.spec = spec
        self.branches = nn.LayerList([_branch(channels, bins, spec, norm) for bins in spec.bins])

    def forward(self, x: Tensor) -> Tensor:
        pool = adaptive_pool if self.spec.pooling == "adaptive" else strided_pool
        pooled = [
            resize(branch(pool(x, bins)), x.shape[2:], self.spec.align_corners)
            for branch, bins in zip(self.branches, self.spec.bins)
        ]
        return paddle.concat([x, *pooled] if self.spec.input_first else [*pooled, x], axis=1)

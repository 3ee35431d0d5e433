"""Pyramid pooling."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.layers.concat import concat
from backends.mxnet.layers.conv import ConvAct, ConvNormAct
from backends.mxnet.layers.network import Tensor
from backends.mxnet.layers.pooling import adaptive_pool, strided_pool
from backends.mxnet.layers.resize import resize
from core.arch.parts import NormSpec, PyramidSpec


def _branch(channels: int, bins: int, spec: PyramidSpec, norm: NormSpec) -> HybridBlock:
    if spec.normalised(bins):
        return ConvNormAct(channels, spec.width, 1, norm, bias=spec.bias, act=spec.act)
    return ConvAct(channels, spec.width, 1, bias=True, act=spec.act)


class PyramidPooling(HybridBlock):
    """Pooled, convolved and resized copies of the input, concatenated with it (core.arch.parts.PyramidSpec)."""

    def __init__(self, channels: int, spec: PyramidSpec, norm: NormSpec) -> None:
        super().__init__()
        self.spec = spec
        self.branches = nn.HybridSequential()
        self.branches.add(*[_branch(channels, bins, spec, norm) for bins in spec.bins])

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        pool = adaptive_pool if self.spec.pooling == "adaptive" else strided_pool
        pooled = [
            resize(F, branch(pool(F, x, bins)), x, self.spec.align_corners)
            for branch, bins in zip(self.branches, self.spec.bins)
        ]
        return concat(F, *([x, *pooled] if self.spec.input_first else [*pooled, x]))

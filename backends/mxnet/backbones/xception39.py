"""Xception-39 (Yu et al., arXiv:1808.00897); numbers in core/arch/backbones/xception39.py."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.layers import Backbone, ConvNormAct, SeparableConv, Tensor
from core.arch.backbones.xception39 import SeparableBlockSpec, Xception39Spec
from core.arch.parts import NormSpec


class SeparableBlock(HybridBlock):
    """Three separable convolutions beside a shortcut."""

    def __init__(self, block: SeparableBlockSpec, norm: NormSpec) -> None:
        super().__init__()
        self.convs = nn.HybridSequential()
        for i, (channels, width) in enumerate(block.convs):
            stride, act = (block.stride if i == 0 else 1), ("none" if i == 2 else "relu")
            self.convs.add(SeparableConv(channels, width, 3, norm, stride=stride, act=act))
        self.downsample = (
            ConvNormAct(block.channels, block.out, 1, norm, stride=block.stride, act="none")
            if block.projects
            else Identity()
        )

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return F.relu(self.convs(x) + self.downsample(x))


class Xception39(Backbone):
    """The maps of layer1 … layer3."""

    def __init__(self, spec: Xception39Spec) -> None:
        super().__init__(spec)
        self.stem = ConvNormAct(spec.in_channels, spec.stem_width, 3, spec.norm, stride=2)
        for name, blocks in zip(self.stages, spec.blocks()):
            stage = nn.HybridSequential()
            stage.add(*[SeparableBlock(block, spec.norm) for block in blocks])
            setattr(self, name, stage)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> tuple[Tensor, ...]:
        x = F.Pooling(
            self.stem(x), pool_type="max", kernel=(3, 3), stride=(2, 2), pad=(1, 1), pooling_convention="valid"
        )  # 1/4
        features = []
        for stage in self.stages:
            x = getattr(self, stage)(x)
            features.append(x)
        return tuple(features)

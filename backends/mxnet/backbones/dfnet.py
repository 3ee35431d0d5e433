"""DF1 and DF2 (Li et al., arXiv:1903.03777); numbers in core/arch/backbones/dfnet.py."""

from __future__ import annotations

from itertools import pairwise
from types import ModuleType

from mxnet.gluon import nn

from backends.mxnet.backbones.resnet import BasicBlock
from backends.mxnet.layers import Backbone, ConvNormAct, Tensor
from core.arch.backbones.dfnet import DFNetSpec


class DFNet(Backbone):
    """The maps of stage2, stage3, …"""

    def __init__(self, spec: DFNetSpec) -> None:
        super().__init__(spec)
        widths = [spec.in_channels, *spec.stem_widths]
        self.stem = nn.HybridSequential()
        self.stem.add(*[ConvNormAct(channels, width, 3, spec.norm, stride=2) for channels, width in pairwise(widths)])
        for name, blocks in zip(self.stages, spec.stage_blocks()):
            stage = nn.HybridSequential()
            stage.add(*[BasicBlock(block, spec) for block in blocks])
            setattr(self, name, stage)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> tuple[Tensor, ...]:
        x = self.stem(x)  # 1/4
        features = []
        for stage in self.stages:
            x = getattr(self, stage)(x)
            features.append(x)
        return tuple(features)

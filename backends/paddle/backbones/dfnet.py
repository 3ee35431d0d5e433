"""DF1 and DF2 (Li et al., arXiv:1903.03777); numbers in core/arch/backbones/dfnet.py."""

from __future__ import annotations

from itertools import pairwise

from paddle import Tensor, nn

from backends.paddle.backbones.resnet import BasicBlock
from backends.paddle.layers import Backbone, ConvNormAct
from core.arch.backbones.dfnet import DFNetSpec


class DFNet(Backbone):
    """The maps of stage2, stage3, …"""

    def __init__(self, spec: DFNetSpec) -> None:
        super().__init__(spec)
        widths = [spec.in_channels, *spec.stem_widths]
        self.stem = nn.Sequential(
            *[ConvNormAct(channels, width, 3, spec.norm, stride=2) for channels, width in pairwise(widths)]
        )
        for stage, blocks in zip(self.stages, spec.stage_blocks()):
            setattr(self, stage, nn.Sequential(*[BasicBlock(block, spec) for block in blocks]))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.stem(x)  # 1/4
        features = {}
        for stage in self.stages:
            x = features[stage] = getattr(self, stage)(x)
        return features

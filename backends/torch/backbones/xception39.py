"""Xception-39 (Yu et al., arXiv:1808.00897); numbers in core/arch/backbones/xception39.py."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch.layers import Backbone, ConvNormAct, SeparableConv
from core.arch.backbones.xception39 import SeparableBlockSpec, Xception39Spec
from core.arch.parts import NormSpec


class SeparableBlock(nn.Module):
    """Three separable convolutions beside a shortcut."""

    def __init__(self, block: SeparableBlockSpec, norm: NormSpec) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            *[
                SeparableConv(
                    channels, width, 3, norm, stride=block.stride if i == 0 else 1, act="none" if i == 2 else "relu"
                )
                for i, (channels, width) in enumerate(block.convs)
            ]
        )
        self.downsample = (
            ConvNormAct(block.channels, block.out, 1, norm, stride=block.stride, act="none")
            if block.projects
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.convs(x) + self.downsample(x))


class Xception39(Backbone):
    """The maps of layer1 … layer3."""

    def __init__(self, spec: Xception39Spec) -> None:
        super().__init__(spec)
        self.stem = ConvNormAct(spec.in_channels, spec.stem_width, 3, spec.norm, stride=2)
        for stage, blocks in zip(self.stages, spec.blocks()):
            setattr(self, stage, nn.Sequential(*[SeparableBlock(block, spec.norm) for block in blocks]))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = F.max_pool2d(self.stem(x), 3, stride=2, padding=1)  # 1/4
        features = {}
        for stage in self.stages:
            x = features[stage] = getattr(self, stage)(x)
        return features

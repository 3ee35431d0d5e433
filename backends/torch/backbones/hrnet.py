"""HRNet V2 (Wang et al., arXiv:1908.07919); numbers and variants in core/arch/backbones/hrnet.py."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch.backbones.resnet import BasicBlock, Bottleneck
from backends.torch.layers import Backbone, ConvNormAct, resize
from core.arch.backbones.hrnet import HRNetSpec


def _strided(channels: int, width: int, spec: HRNetSpec, act: str = "relu") -> ConvNormAct:
    return ConvNormAct(channels, width, 3, spec.norm, stride=2, padding=spec.padding, act=act)


class Exchange(nn.Module):
    """Residual blocks in each branch, then to every branch the sum of all, resized."""

    def __init__(self, count: int, spec: HRNetSpec) -> None:
        super().__init__()
        self.align_corners = spec.align_corners
        residual = spec.residual
        self.branches = nn.ModuleList(
            nn.Sequential(*[BasicBlock(spec.branch_block(branch), residual) for _ in range(spec.blocks)])
            for branch in range(count)
        )
        self.fuse = nn.ModuleList(
            nn.ModuleList(_path(target, source, spec) for source in range(count)) for target in range(count)
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        maps = [branch(x) for branch, x in zip(self.branches, maps)]
        outputs = []
        for target, paths in enumerate(self.fuse):
            total = maps[target]
            for source, path in enumerate(paths):
                if source < target:
                    total = total + path(maps[source])
                elif source > target:
                    total = total + resize(path(maps[source]), maps[target].shape[2:], self.align_corners)
            outputs.append(F.relu(total))
        return outputs


def _path(target: int, source: int, spec: HRNetSpec) -> nn.Module:
    """From one branch to another, but for the enlargement."""
    widths = spec.widths()
    if source == target:
        return nn.Identity()
    if source > target:
        return ConvNormAct(widths[source], widths[target], 1, spec.norm, act="none")
    return nn.Sequential(*[_strided(widths[source], width, spec, act) for width, act in spec.chain(target, source)])


class Transition(nn.ModuleList):
    """The convolution in front of each branch, where there is one; a new branch starts from the deepest map."""

    def __init__(self, stage: int, spec: HRNetSpec) -> None:
        super().__init__()
        for conv in spec.transition(stage):
            if conv is None:
                self.append(nn.Identity())
            elif conv[2] == 1:
                self.append(ConvNormAct(conv[0], conv[1], 3, spec.norm))
            else:
                self.append(_strided(conv[0], conv[1], spec))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        return [conv(maps[min(i, len(maps) - 1)]) for i, conv in enumerate(self)]


class HRNet(Backbone):
    """The maps of the four branches, and all of them at stride 4."""

    def __init__(self, spec: HRNetSpec) -> None:
        super().__init__(spec)
        self.align_corners = spec.align_corners
        self.stem = nn.Sequential(
            _strided(spec.in_channels, spec.stem_width, spec), _strided(spec.stem_width, spec.stem_width, spec)
        )
        self.layer1 = nn.Sequential(*[Bottleneck(block, spec.residual) for block in spec.first_blocks()])
        for stage, modules in zip((2, 3, 4), spec.modules):
            setattr(self, f"transition{stage - 1}", Transition(stage, spec))
            setattr(self, f"stage{stage}", nn.Sequential(*[Exchange(stage, spec) for _ in range(modules)]))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = [self.layer1(self.stem(x))]  # 1/4
        for transition, stage in (
            (self.transition1, self.stage2),
            (self.transition2, self.stage3),
            (self.transition3, self.stage4),
        ):
            maps = stage(transition(maps))
        first, *others = maps
        joined = torch.cat([first, *[resize(y, first.shape[2:], self.align_corners) for y in others]], dim=1)
        return dict(zip(self.stages, [*maps, joined]))

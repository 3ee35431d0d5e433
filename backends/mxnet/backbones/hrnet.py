"""HRNet V2 (Wang et al., arXiv:1908.07919); numbers and variants in core/arch/backbones/hrnet.py."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.backbones.resnet import BasicBlock, Bottleneck
from backends.mxnet.layers import Backbone, ConvNormAct, Tensor, concat, resize
from core.arch.backbones.hrnet import HRNetSpec


def _strided(channels: int, width: int, spec: HRNetSpec, act: str = "relu") -> ConvNormAct:
    return ConvNormAct(channels, width, 3, spec.norm, stride=2, padding=spec.padding, act=act)


def _sequence(*blocks: HybridBlock) -> nn.HybridSequential:
    sequence = nn.HybridSequential()
    sequence.add(*blocks)
    return sequence


class Exchange(HybridBlock):
    """Residual blocks in each branch, then to every branch the sum of all, resized."""

    def __init__(self, count: int, spec: HRNetSpec) -> None:
        super().__init__()
        self.align_corners = spec.align_corners
        residual = spec.residual
        self.branches = _sequence(
            *[
                _sequence(*[BasicBlock(spec.branch_block(branch), residual) for _ in range(spec.blocks)])
                for branch in range(count)
            ]
        )
        self.fuse = _sequence(
            *[_sequence(*[_path(target, source, spec) for source in range(count)]) for target in range(count)]
        )

    def hybrid_forward(self, F: ModuleType, *maps: Tensor) -> tuple[Tensor, ...]:
        maps = tuple(branch(x) for branch, x in zip(self.branches, maps))
        outputs = []
        for target, paths in enumerate(self.fuse):
            total = maps[target]
            for source, path in enumerate(paths):
                if source < target:
                    total = total + path(maps[source])
                elif source > target:
                    total = total + resize(F, path(maps[source]), maps[target], self.align_corners)
            outputs.append(F.relu(total))
        return tuple(outputs)


def _path(target: int, source: int, spec: HRNetSpec) -> HybridBlock:
    """From one branch to another, but for the enlargement."""
    widths = spec.widths()
    if source == target:
        return Identity()
    if source > target:
        return ConvNormAct(widths[source], widths[target], 1, spec.norm, act="none")
    return _sequence(*[_strided(widths[source], width, spec, act) for width, act in spec.chain(target, source)])


class Transition(nn.HybridSequential):
    """The convolution in front of each branch, where there is one; a new branch starts from the deepest map."""

    def __init__(self, stage: int, spec: HRNetSpec) -> None:
        super().__init__()
        for conv in spec.transition(stage):
            if conv is None:
                self.add(Identity())
            elif conv[2] == 1:
                self.add(ConvNormAct(conv[0], conv[1], 3, spec.norm))
            else:
                self.add(_strided(conv[0], conv[1], spec))

    def __call__(self, *maps: Tensor) -> tuple[Tensor, ...]:
        """Not a block's call: each convolution is called as a block."""
        return tuple(conv(maps[min(i, len(maps) - 1)]) for i, conv in enumerate(self))


class HRNet(Backbone):
    """The maps of the four branches, and all of them at stride 4."""

    def __init__(self, spec: HRNetSpec) -> None:
        super().__init__(spec)
        self.align_corners = spec.align_corners
        self.stem = _sequence(
            _strided(spec.in_channels, spec.stem_width, spec), _strided(spec.stem_width, spec.stem_width, spec)
        )
        self.layer1 = _sequence(*[Bottleneck(block, spec.residual) for block in spec.first_blocks()])
        for stage, modules in zip((2, 3, 4), spec.modules):
            setattr(self, f"transition{stage - 1}", Transition(stage, spec))
            setattr(self, f"stage{stage}", _sequence(*[Exchange(stage, spec) for _ in range(modules)]))

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> tuple[Tensor, ...]:
        maps: tuple[Tensor, ...] = (self.layer1(self.stem(x)),)  # 1/4
        for transition, stage in (
            (self.transition1, self.stage2),
            (self.transition2, self.stage3),
            (self.transition3, self.stage4),
        ):
            maps = transition(*maps)
            for module in stage:
                maps = tuple(module(*maps))
        first, *others = maps
        joined = concat(F, first, *[resize(F, y, first, self.align_corners) for y in others])
        return (*maps, joined)

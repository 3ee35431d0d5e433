"""DF1 and DF2, backbones found by partial order pruning (Li et al., arXiv:1903.03777)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import BlockSpec
from core.arch.inventory import Inventory


@dataclass(frozen=True)
class DFNetSpec(BackboneSpec):
    """A stem of two strided 3x3 convolutions, then stages of ResNet's basic blocks.

    Stages are `stage2`, `stage3`, … (the stem is the first): `widths`, `blocks` and `strides` have a number for each.
    The paper counts two stages of one resolution as one: its third of DF2 is `stage4` and `stage5` here.
    """

    family: ClassVar[str] = "dfnet"

    stem_widths: tuple[int, int] = (32, 64)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    blocks: tuple[int, ...] = (3, 3, 3, 1)
    strides: tuple[int, ...] = (2, 2, 2, 1)

    def __post_init__(self) -> None:
        if not len(self.widths) == len(self.blocks) == len(self.strides):
            raise ValueError("widths, blocks and strides must have the same length")

    def stages(self) -> tuple[str, ...]:
        return tuple(f"stage{i}" for i in range(2, 2 + len(self.widths)))

    def channels(self, stage: str) -> int:
        return self.widths[self.stages().index(self._require(stage))]

    def stride(self, stage: str) -> int:
        stride = 4
        for own in self.strides[: 1 + self.stages().index(self._require(stage))]:
            stride *= own
        return stride

    def stage_blocks(self) -> Iterator[list[BlockSpec]]:
        """The blocks of each stage."""
        channels = self.stem_widths[-1]
        for width, count, stride in zip(self.widths, self.blocks, self.strides):
            yield [BlockSpec(channels, width, width, stride), *[BlockSpec(width, width, width, 1)] * (count - 1)]
            channels = width

    def inventory(self, out: Inventory, name: str = "backbone") -> None:
        with out.scope(name):
            channels = self.in_channels
            for i, width in enumerate(self.stem_widths):
                out.conv_norm_act(f"stem.{i}", channels, width, 3)
                channels = width
            for stage, blocks in zip(self.stages(), self.stage_blocks()):
                for i, block in enumerate(blocks):
                    with out.scope(f"{stage}.{i}"):
                        block.inventory(out, bottleneck=False)

    def narrow(self) -> DFNetSpec:
        return dataclasses.replace(
            self,
            stem_widths=(8, 8),
            widths=tuple(8 if width < 256 else 16 for width in self.widths),
            blocks=tuple(min(count, 2) for count in self.blocks),
        )


def df1() -> DFNetSpec:
    return DFNetSpec()


def df2() -> DFNetSpec:
    return DFNetSpec(widths=(64, 128, 128, 256, 256, 512), blocks=(2, 1, 10, 1, 4, 2), strides=(2, 1, 2, 1, 2, 1))

"""Xception-39, the light Xception of BiSeNet (Yu et al., arXiv:1808.00897), as MXNetSeg builds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.inventory import Inventory
from core.arch.parts import separable_inventory


@dataclass(frozen=True)
class SeparableBlockSpec:
    """Three separable 3x3 convolutions, `width` inside, `out` after them, the first strided, beside a shortcut."""

    channels: int
    width: int
    out: int
    stride: int

    @property
    def projects(self) -> bool:
        """Whether the shortcut is a strided 1x1 convolution."""
        return self.stride != 1 or self.channels != self.out

    @property
    def convs(self) -> tuple[tuple[int, int], ...]:
        """(channels, width) of the three."""
        return (self.channels, self.width), (self.width, self.width), (self.width, self.out)


@dataclass(frozen=True)
class Xception39Spec(BackboneSpec):
    """A strided 3x3 convolution, max pooling, then stages `layer1` … `layer3`, each of which halves.

    stage_widths: inside the blocks of a stage; each gives `expansion` times as many channels. A separable convolution
    has no norm and no activation between its depthwise and its pointwise part, and the block's third no activation
    before the sum.
    """

    family: ClassVar[str] = "xception39"

    stem_width: int = 8
    stage_widths: tuple[int, int, int] = (16, 32, 64)
    stage_blocks: tuple[int, int, int] = (4, 8, 4)
    expansion: int = 4

    def stages(self) -> tuple[str, ...]:
        return ("layer1", "layer2", "layer3")

    def channels(self, stage: str) -> int:
        return self.stage_widths[self.stages().index(self._require(stage))] * self.expansion

    def stride(self, stage: str) -> int:
        return 8 << self.stages().index(self._require(stage))

    def blocks(self) -> Iterator[list[SeparableBlockSpec]]:
        """The blocks of layer1 … layer3."""
        channels = self.stem_width
        for width, count in zip(self.stage_widths, self.stage_blocks):
            out = width * self.expansion
            rest = [SeparableBlockSpec(out, width, out, 1)] * (count - 1)
            yield [SeparableBlockSpec(channels, width, out, 2), *rest]
            channels = out

    def inventory(self, out: Inventory, name: str = "backbone") -> None:
        with out.scope(name):
            out.conv_norm_act("stem", self.in_channels, self.stem_width, 3)
            for stage, blocks in zip(self.stages(), self.blocks()):
                for i, block in enumerate(blocks):
                    with out.scope(f"{stage}.{i}"):
                        self._block(out, block)

    def _block(self, out: Inventory, block: SeparableBlockSpec) -> None:
        for i, (channels, width) in enumerate(block.convs):
            separable_inventory(out, f"convs.{i}", channels, width, 3, separation="bare")
        if block.projects:
            out.conv_norm_act("downsample", block.channels, block.out, 1, act="none")

    def narrow(self) -> Xception39Spec:
        return dataclasses.replace(self, stage_widths=(4, 4, 8), stage_blocks=(2, 2, 2))

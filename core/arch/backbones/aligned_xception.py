"""The modified aligned Xception of DeepLabv3+ (Chen et al., arXiv:1802.02611), Xception-65 as GluonCV has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal

from core.arch.backbones.base import BackboneSpec
from core.arch.inventory import Inventory, numbered
from core.arch.parts import separable_inventory


@dataclass(frozen=True)
class XceptionBlockSpec:
    """Three separable 3x3 convolutions beside a shortcut; the last one strides, undilated where it does.

    widths: channels after each. starts: an activation comes before the first one too.
    """

    channels: int
    widths: tuple[int, int, int]
    stride: int = 1
    dilation: int = 1
    starts: bool = True

    @property
    def projects(self) -> bool:
        """Whether the shortcut is a 1x1 convolution."""
        return self.stride != 1 or self.channels != self.widths[-1]

    def inventory(self, out: Inventory, name: str) -> None:
        with out.scope(name):
            channels = self.channels
            for i, width in enumerate(self.widths):
                separable_inventory(out, f"convs.{i}", channels, width, 3, separation="norm", act="none")
                channels = width
            if self.projects:
                out.conv_norm_act("shortcut", self.channels, self.widths[-1], 1, act="none")


@dataclass(frozen=True)
class AlignedXceptionSpec(BackboneSpec):
    """Stem, three entry blocks, middle blocks, an exit block, three separable convolutions with batch norm and ReLU.

    Stages: `entry1`, the first block's map behind a ReLU (stride 4); `middle`, the last middle block's sum, which no
    activation follows; `exit`, the last convolution's. exit_widths: of the exit block's second and third convolution
    (its first keeps the middle's), then of the three convolutions behind it. A dilated middle has dilation 2 at stride
    8; exit block and last convolutions then have 2 and 4 (1 and 2 at stride 16).
    """

    family: ClassVar[str] = "aligned_xception"

    stem_widths: tuple[int, int] = (32, 64)
    entry_widths: tuple[int, int, int] = (128, 256, 728)
    middle_blocks: int = 16
    exit_widths: tuple[int, int, int, int] = (1024, 1536, 1536, 2048)
    output_stride: Literal[8, 16, 32] = 8

    def stages(self) -> tuple[str, ...]:
        return ("entry1", "middle", "exit")

    def channels(self, stage: str) -> int:
        known = {"entry1": self.entry_widths[0], "middle": self.entry_widths[-1], "exit": self.exit_widths[-1]}
        return known[self._require(stage)]

    def stride(self, stage: str) -> int:
        return {"entry1": 4, "middle": min(16, self.output_stride), "exit": self.output_stride}[self._require(stage)]

    def entry(self) -> list[XceptionBlockSpec]:
        """The entry blocks; the first two start without an activation."""
        blocks, channels = [], self.stem_widths[-1]
        for i, width in enumerate(self.entry_widths):
            stride = 1 if i == 2 and self.output_stride == 8 else 2
            blocks.append(XceptionBlockSpec(channels, (width,) * 3, stride, starts=i == 2))
            channels = width
        return blocks

    def middle(self) -> list[XceptionBlockSpec]:
        width, dilation = self.entry_widths[-1], 2 if self.output_stride == 8 else 1
        return [XceptionBlockSpec(width, (width,) * 3, dilation=dilation)] * self.middle_blocks

    def exit(self) -> XceptionBlockSpec:
        channels, width = self.entry_widths[-1], self.exit_widths[0]
        stride, dilation = {8: (1, 2), 16: (1, 1), 32: (2, 1)}[self.output_stride]
        return XceptionBlockSpec(channels, (channels, width, width), stride, dilation)

    @property
    def tail_dilation(self) -> int:
        """Dilation of the convolutions behind the exit block."""
        return {8: 4, 16: 2, 32: 1}[self.output_stride]

    def inventory(self, out: Inventory, name: str = "backbone") -> None:
        with out.scope(name):
            out.conv_norm_act("stem.0", self.in_channels, self.stem_widths[0], 3)
            out.conv_norm_act("stem.1", *self.stem_widths, 3)
            for part, blocks in (("entry", self.entry()), ("middle", self.middle())):
                for i, block in enumerate(blocks):
                    block.inventory(out, f"{part}.{i}")
            self.exit().inventory(out, "exit")
            for i, (channels, width) in enumerate(pairwise(self.exit_widths)):
                separable_inventory(out, f"tail.{i}", channels, width, 3, separation="norm")

    def narrow(self) -> AlignedXceptionSpec:
        return dataclasses.replace(
            self, stem_widths=(8, 8), entry_widths=(8, 8, 16), middle_blocks=1, exit_widths=(16, 16, 16, 24)
        )

    def infer(self, shapes: Mapping[str, tuple[int, ...]], name: str = "backbone") -> dict[str, Any]:
        """The number of middle blocks."""
        count = numbered(shapes, rf"{name}\.middle\.(\d+)\.")
        return {"middle_blocks": count} if count and count != self.middle_blocks else {}

"""GALD-Net: global aggregation, then local distribution (Li et al., arXiv:1909.07229)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import resnet_deep, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import DropoutSpec, FCNHeadSpec, GroupNormSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads
from core.errors import SpecError

PAPER = "Global Aggregation then Local Distribution in Fully Convolutional Networks, arXiv:1909.07229"


@dataclass(frozen=True)
class GALDBlockSpec:
    """The block of `width` channels.

    Global: a depthwise 3x3 of stride 2, then compact generalised non-local attention (`inner` channels in `groups`),
    its output convolution grouped as well, group norm. Local: `reductions` depthwise 3x3 of stride 2, a sigmoid mask m
    of the aggregated map y; the result is y + m * y, to which the block adds y once more. No convolution is padded.
    """

    width: int = 512
    inner: int = 256
    groups: int = 8
    reductions: int = 3
    norm: GroupNormSpec = GroupNormSpec(groups=8)
    align_corners: bool = True

    def halved(self, side: int, times: int) -> int:
        """Side of a map after that many unpadded convolutions of stride 2; below 1 where it is too small."""
        for _ in range(times):
            side = (side - 3) // 2 + 1
        return side

    def inventory(self, out: Inventory, name: str) -> None:
        with out.scope(name):
            out.conv_norm_act("down", self.width, self.width, 3, groups=self.width, bias=True)
            with out.scope("attention"):
                for part in ("theta", "phi", "g"):
                    out.conv(part, self.width, self.inner, 1)
                out.conv("out", self.inner, self.width, 1, groups=self.groups)
                out.group_norm("norm", self.width)
            for i in range(self.reductions):
                out.conv_norm_act(f"local.{i}", self.width, self.width, 3, groups=self.width, bias=True)


@dataclass(frozen=True)
class GALDNetSpec(EncoderDecoderSpec):
    """Backbone - 3x3 - GALD block - 3x3, concatenated after the backbone's map - FCN head."""

    arch: ClassVar[str] = "galdnet"

    backbone: BackboneSpec = field(default_factory=lambda: resnet_deep(50, multi_grid=(1, 2, 4)))
    block: GALDBlockSpec = GALDBlockSpec()
    head: FCNHeadSpec = FCNHeadSpec(dropout=DropoutSpec(p=0.0))
    auxiliary: tuple[FCNHeadSpec, ...] = (
        FCNHeadSpec(tap="layer3", bias=True, dropout=DropoutSpec(p=0.1, unit="channel")),
    )

    def decoder_inventory(self, out: Inventory) -> None:
        channels, width = self.backbone.channels(self.backbone.deepest), self.block.width
        out.conv_norm_act("reduce", channels, width, 3)
        self.block.inventory(out, "block")
        out.conv_norm_act("refine", width, width, 3)
        self.head.inventory(out, "head", channels + width, self.num_classes)

    def check_input(self, height: int, width: int) -> None:
        super().check_input(height, width)
        for side in (height, width):
            size = self.backbone.map_size(side, self.backbone.deepest)
            if self.block.halved(size, self.block.reductions) < 1:
                raise SpecError(
                    f"input of {height}x{width}: the feature map's {size} rows or columns do not outlast "
                    f"{self.block.reductions} unpadded convolutions of stride 2; use a larger input"
                )

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        rows, columns = (self.backbone.map_size(side, self.backbone.deepest) for side in (height, width))
        return self.block.halved(rows, self.block.reductions), self.block.halved(columns, self.block.reductions)

    def narrow(self) -> GALDNetSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            block=dataclasses.replace(self.block, width=16, inner=8),
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _gald(depth: int) -> GALDNetSpec:
    return GALDNetSpec(backbone=resnet_deep(depth, multi_grid=(1, 2, 4)))


def _tiny() -> GALDNetSpec:
    small = GALDNetSpec(backbone=resnet_tiny(), block=GALDBlockSpec(width=32, inner=16))
    heads = tuple(head.narrow(16) for head in small.auxiliary)
    return dataclasses.replace(small, head=small.head.narrow(16), auxiliary=heads)


ORIGINAL = "GALD-Net, libs.models.GALDNet.GALD_res{}"
_COUNTS = {50: 52.403, 101: 71.395}

PRESETS = [
    *[
        Preset(
            f"galdnet_resnet{depth}_gald",
            _gald(depth),
            PAPER,
            ORIGINAL.format(depth),
            millions,
            golden=golden_files(f"GALD-Net/GALD_res{depth}"),
        )
        for depth, millions in _COUNTS.items()
    ],
    Preset("galdnet_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

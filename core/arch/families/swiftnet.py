"""SwiftNet: a lightweight ladder on ResNet-18 (Orsic et al., arXiv:1903.08469), as Fast_Seg has it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import resnet_7x7, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import DropoutSpec, FCNHeadSpec, NormSpec, grid_columns
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "In Defense of Pre-trained ImageNet Architectures for Real-time Semantic Segmentation, arXiv:1903.08469"


@dataclass(frozen=True)
class SwiftNetSpec(EncoderDecoderSpec):
    """Backbone - pyramid of pooled grids - a ladder up to the backbone's first stage, every unit norm - ReLU - conv.

    The decoder is as wide as there are classes, where the paper has 128 and a classifier: the ladder's last convolution
    gives the logits. Pyramid: 1x1 of the deepest map; grids of so many rows (`grids`) and as many columns as the map's
    proportions ask for, 1x1 each to a share of the width; all of it concatenated; 1x1. Ladder: the map enlarged, plus
    1x1 of the next shallower stage (after its ReLU), 3x3.
    """

    arch: ClassVar[str] = "swiftnet"
    classifiers: ClassVar[tuple[str, ...]] = ("ladder.2.blend.conv.weight",)

    backbone: BackboneSpec = field(default_factory=lambda: resnet_7x7(18, output_stride=32))
    grids: tuple[int, ...] = (8, 4, 2)
    pyramid_norm: NormSpec = NormSpec(momentum=0.005)
    auxiliary: tuple[FCNHeadSpec, ...] = (
        FCNHeadSpec(tap="layer3", width=256, bias=True, dropout=DropoutSpec(p=0.1, unit="channel")),
    )

    @property
    def grid_width(self) -> int:
        """Channels of each pooled grid."""
        return max(1, self.num_classes // len(self.grids))

    @property
    def laterals(self) -> tuple[str, ...]:
        """The stages that the ladder climbs, deepest first."""
        return self.backbone.stages()[-2::-1]

    def decoder_inventory(self, out: Inventory) -> None:
        width = self.num_classes
        with out.scope("pyramid"):
            out.norm_act_conv("reduce", self.backbone.channels(self.backbone.deepest), width, 1)
            for i in range(len(self.grids)):
                out.norm_act_conv(f"branches.{i}", width, self.grid_width, 1)
            out.norm_act_conv("fuse", width + len(self.grids) * self.grid_width, width, 1)
        for i, stage in enumerate(self.laterals):
            out.norm_act_conv(f"ladder.{i}.lateral", self.backbone.channels(stage), width, 1)
            out.norm_act_conv(f"ladder.{i}.blend", width, width, 3)

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        deepest = tuple(self.backbone.map_size(side, self.backbone.deepest) for side in (height, width))
        grids = [(rows, grid_columns(rows, *deepest)) for rows in self.grids]
        return min([(deepest[0], deepest[1]), *grids], key=lambda sides: sides[0] * sides[1])

    def narrow(self) -> SwiftNetSpec:
        return dataclasses.replace(self, backbone=self.backbone.narrow(), auxiliary=narrow_heads(self.auxiliary))


def _tiny() -> SwiftNetSpec:
    small = SwiftNetSpec(backbone=resnet_tiny(output_stride=32))
    return dataclasses.replace(small, auxiliary=narrow_heads(small.auxiliary))


PRESETS = [
    Preset(
        "swiftnet_resnet18_fastseg",
        SwiftNetSpec(),
        PAPER,
        "Fast_Seg, libs.models.SwiftNet.SwiftNetRes18",
        11.803,
        golden=golden_files("Fast_Seg/SwiftNetRes18"),
    ),
    Preset("swiftnet_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

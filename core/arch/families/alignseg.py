"""AlignSeg: feature-aligned segmentation networks (Huang et al., arXiv:2003.00872)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import ResNetSpec, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "AlignSeg: Feature-Aligned Segmentation Networks, arXiv:2003.00872"


@dataclass(frozen=True)
class AlignSegSpec(EncoderDecoderSpec):
    """Context of the deepest stage, and from the shallowest stage down one alignment with each deeper one; FCN head.

    Context: the map pooled to `bins` x `bins`, 1x1, resized back and moved by a flow; a 3x3 of the map beside it. A
    flow is convolved, 1x1 with batch norm and 3x3 without anything, from the two maps that it aligns: how far to the
    right and downwards of each place, in places, the map is read. Flows start at 0.

    Alignment of the running map (first the shallowest stage, whose size it keeps) with the next stage, at last with the
    context: a residual block each, the deeper one resized; two flows, of the running map and of the resized one, and
    the sum of both moved so. A residual block is 1x1 without anything, 3x3 with batch norm to the `reduction`th part
    of the channels, 3x3 back, and one batch norm and ReLU of the sum.
    """

    arch: ClassVar[str] = "alignseg"

    backbone: BackboneSpec = field(default_factory=lambda: ResNetSpec(depth=50, output_stride=32))
    width: int = 256
    reduction: int = 4
    bins: int = 3
    head: FCNHeadSpec = FCNHeadSpec(width=256)
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer4", width=256),)

    def decoder_inventory(self, out: Inventory) -> None:
        channels, width = [self.backbone.channels(stage) for stage in self.backbone.stages()], self.width
        with out.scope("context"):
            out.conv_norm_act("pooled", channels[-1], width, 1)
            out.conv_norm_act("local", channels[-1], width, 3)
            self._flow(out, 1)
        for i, coarse in enumerate([*channels[1:], 2 * width]):
            with out.scope(f"aligns.{i}"):
                self._residual(out, "coarse", coarse)
                self._residual(out, "fine", width if i else channels[0])
                self._flow(out, 2)
        self._residual(out, "refine", width)
        self.head.inventory(out, "head", width, self.num_classes)

    def _flow(self, out: Inventory, flows: int) -> None:
        out.conv_norm_act("flow.reduce", 2 * self.width, self.width, 1)
        out.conv("flow.out", self.width, 2 * flows, 3, init="zeros")

    def _residual(self, out: Inventory, name: str, channels: int) -> None:
        width, inner = self.width, self.width // self.reduction
        with out.scope(name):
            out.conv("reduce", channels, width, 1)
            out.conv_norm_act("conv1", width, inner, 3)
            out.conv("conv2", inner, width, 3)
            out.batch_norm("bn", width)

    def narrow(self) -> AlignSegSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            width=8,
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


PRESETS = [
    Preset(
        "alignseg_resnet50_mxnetseg",
        AlignSegSpec(),
        PAPER,
        "MXNetSeg, AlignSeg(backbone='resnet50', aux=True)",
        38.931,
        golden=golden_files("MXNetSeg/AlignSeg_resnet50"),
    ),
    Preset(
        "alignseg_tiny",
        AlignSegSpec(
            backbone=resnet_tiny(output_stride=32),
            width=16,
            head=FCNHeadSpec(width=16),
            auxiliary=(FCNHeadSpec(tap="layer4", width=16),),
        ),
        PAPER,
        "of this project: for tests and demonstrations",
    ),
]

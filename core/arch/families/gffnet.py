"""GFFNet: gated fully fusion (Li et al., arXiv:1904.01803)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import resnet_7x7, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import FCNHeadSpec, PyramidSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "GFF: Gated Fully Fusion for Semantic Segmentation, arXiv:1904.01803"


@dataclass(frozen=True)
class GFFNetSpec(EncoderDecoderSpec):
    """Every stage 1x1 to `width`, fused with all others by gates; pyramid pooling of the deepest; dense connections.

    A gate of each stage, and of each of its channels, is the sigmoid of a 1x1 convolution of the stage's map. Fusion:
    x + g * x + (1 - g) * (the sum of the others' g * x, resized), from the shallowest stage down and in place: deeper
    ones see what the shallower have become (MXNetSeg). Two 3x3 follow each. Then, at the shallowest stage's size, from
    the deepest up a 3x3 of the last result, the stage, the earlier results and the pooled map; and a head on them all.
    """

    arch: ClassVar[str] = "gffnet"

    backbone: BackboneSpec = field(default_factory=lambda: resnet_7x7(18))
    pyramid: PyramidSpec = PyramidSpec(width=128)
    width: int = 256
    head: FCNHeadSpec = FCNHeadSpec(width=256)
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer3", width=256),)

    def decoder_inventory(self, out: Inventory) -> None:
        channels, width = [self.backbone.channels(stage) for stage in self.backbone.stages()], self.width
        self.pyramid.inventory(out, "pyramid", channels[-1])
        out.conv_norm_act("context", self.pyramid.out_channels(channels[-1]), width, 1)
        for i, count in enumerate(channels):
            out.conv_norm_act(f"reduce.{i}", count, width, 1)
        for i, count in enumerate(channels):
            out.conv(f"gates.{i}", count, width, 1, bias=True)
        for i in range(len(channels)):
            out.conv_norm_act(f"fuse.{i}.0", width, width, 3)
            out.conv_norm_act(f"fuse.{i}.1", width, width, 3)
        for i in range(len(channels)):
            out.conv_norm_act(f"dense.{i}", (len(channels) + 1 - i) * width, width, 3)
        self.head.inventory(out, "head", (len(channels) + 1) * width, self.num_classes)

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return self.pyramid.smallest

    def narrow(self) -> GFFNetSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            pyramid=dataclasses.replace(self.pyramid, width=8),
            width=8,
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


PRESETS = [
    Preset(
        "gffnet_resnet18_mxnetseg",
        GFFNetSpec(),
        PAPER,
        "MXNetSeg, GFFNet(backbone='resnet18', aux=True)",
        28.729,
        golden=golden_files("MXNetSeg/GFFNet_resnet18"),
    ),
    Preset(
        "gffnet_tiny",
        GFFNetSpec(
            backbone=resnet_tiny(),
            pyramid=PyramidSpec(width=8),
            width=16,
            head=FCNHeadSpec(width=16),
            auxiliary=(FCNHeadSpec(tap="layer3", width=16),),
        ),
        PAPER,
        "of this project: for tests and demonstrations",
    ),
]

"""AttaNet: strip attention and attention fusion on ResNet-18 (Song et al., arXiv:2103.05930)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import resnet_7x7, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "AttaNet: Attention-Augmented Network for Fast and Accurate Scene Parsing, arXiv:2103.05930"


@dataclass(frozen=True)
class AttaNetSpec(EncoderDecoderSpec):
    """Backbone - attention fusion of its two deepest maps - 3x3 - strip attention - FCN head.

    Fusion: 3x3 of each to `width`; a sigmoid weight per channel from the globally pooled 1x1 of the raw deepest map,
    resized, and the convolved shallower one; weight * deep, resized, + (1 - weight) * shallow. Attention: queries of
    all places against keys and values averaged over the rows (`inner` channels, softmax over columns, unscaled), plus
    its input.
    """

    arch: ClassVar[str] = "attanet"

    backbone: BackboneSpec = field(default_factory=lambda: resnet_7x7(18, output_stride=32))
    width: int = 128
    inner: int = 64
    head: FCNHeadSpec = FCNHeadSpec(width=128)
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer3", width=256),)

    @property
    def fused(self) -> tuple[str, str]:
        """The two stages that are fused, the shallower first."""
        shallow, deep = self.backbone.stages()[-2:]
        return shallow, deep

    def decoder_inventory(self, out: Inventory) -> None:
        shallow, deep = (self.backbone.channels(stage) for stage in self.fused)
        width = self.width
        with out.scope("fusion"):
            out.conv_norm_act("deep", deep, width, 3)
            out.conv_norm_act("shallow", shallow, width, 3)
            out.conv_norm_act("mix", deep + width, width, 1)
            out.conv_norm_act("weight", width, width, 1)
        out.conv_norm_act("refine", width, width, 3)
        with out.scope("attention"):
            out.conv_norm_act("query", width, self.inner, 1)
            out.conv_norm_act("key", width, self.inner, 1)
            out.conv_norm_act("value", width, width, 1)
        self.head.inventory(out, "head", width, self.num_classes)

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return 1, 1

    def narrow(self) -> AttaNetSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            width=16,
            inner=8,
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _tiny() -> AttaNetSpec:
    return dataclasses.replace(AttaNetSpec().narrow(), backbone=resnet_tiny(output_stride=32))


PRESETS = [
    Preset(
        "attanet_resnet18_mxnetseg",
        AttaNetSpec(),
        PAPER,
        "MXNetSeg, AttaNet(backbone='resnet18', aux=True)",
        13.087,
        golden=golden_files("MXNetSeg/AttaNet_resnet18"),
    ),
    Preset("attanet_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

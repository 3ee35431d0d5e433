"""CCNet: criss-cross attention, over a place's row and column, applied twice (Huang et al., arXiv:1811.11721)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import ResNetSpec, resnet_tiny
from core.arch.inventory import Inventory
from core.arch.parts import DropoutSpec, FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "CCNet: Criss-Cross Attention for Semantic Segmentation, arXiv:1811.11721"


@dataclass(frozen=True)
class CCNetSpec(EncoderDecoderSpec):
    """3x3 to `width` - criss-cross attention `recurrence` times with the same weights - 3x3; FCN head on that and the
    backbone's map, concatenated map first.

    Attention: keys and queries of width / `reduction` channels, unscaled; one softmax over the H + W - 1 places of the
    place's column and row; added to its input with a learned factor `gamma`, 0 at first.
    """

    arch: ClassVar[str] = "ccnet"

    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    width: int = 512
    reduction: int = 8
    recurrence: int = 2
    head: FCNHeadSpec = field(default_factory=FCNHeadSpec)
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer3", width=256),)

    def decoder_inventory(self, out: Inventory) -> None:
        channels, width = self.backbone.channels(self.backbone.deepest), self.width
        out.conv_norm_act("reduce", channels, width, 3)
        with out.scope("attention"):
            out.scale("gamma", (1,))
            out.conv("query", width, width // self.reduction, 1, bias=True)
            out.conv("key", width, width // self.reduction, 1, bias=True)
            out.conv("value", width, width, 1, bias=True)
        out.conv_norm_act("refine", width, width, 3)
        self.head.inventory(out, "head", channels + width, self.num_classes)

    def narrow(self) -> CCNetSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            width=16,
            reduction=min(self.reduction, 4),
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _mmseg(depth: int) -> CCNetSpec:
    dropout = DropoutSpec(p=0.1, unit="channel")
    return CCNetSpec(
        align_corners=False,
        backbone=ResNetSpec(depth=depth, stem_widths=(32, 32, 64)),  # type: ignore[arg-type]
        head=FCNHeadSpec(dropout=dropout),
        auxiliary=(FCNHeadSpec(tap="layer3", width=256, dropout=dropout),),
    )


MMSEG = "mmseg 0.19, configs/ccnet/ccnet_r{}-d8_512x1024_80k_cityscapes.py"

PRESETS = [
    Preset("ccnet_resnet50_mmseg", _mmseg(50), PAPER, MMSEG.format(50)),
    Preset("ccnet_resnet101_mmseg", _mmseg(101), PAPER, MMSEG.format(101)),
    Preset(
        "ccnet_tiny",
        dataclasses.replace(CCNetSpec().narrow(), backbone=resnet_tiny()),
        PAPER,
        "of this project: for tests and demonstrations",
    ),
]

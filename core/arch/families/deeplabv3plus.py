"""DeepLabv3+: DeepLabv3 with a decoder on a shallow map (Chen et al., arXiv:1802.02611)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.aligned_xception import AlignedXceptionSpec
from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import ResNetSpec, resnet_7x7, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import NO_DROPOUT, ASPPSpec, DropoutSpec, FCNHeadSpec, Separation, separable_inventory
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation, arXiv:1802.02611"


@dataclass(frozen=True)
class FusionSpec:
    """A shallow map, reduced, beside the resized ASPP, and `convs` 3x3 convolutions of both.

    `tap` is the shallow stage, reduced to `low_width` channels by a convolution of side `low_kernel`; `low_first`: it
    comes first in the concatenation. `refine`: a 3x3 convolution of the ASPP before it is resized. `separation` is that
    of all 3x3 convolutions but the reducing one.
    """

    tap: str = "layer1"
    low_width: int = 48
    low_kernel: int = 1
    low_first: bool = False
    refine: bool = False
    convs: int = 1
    width: int = 256
    separation: Separation = "whole"
    bias: bool = False
    dropout: DropoutSpec = NO_DROPOUT

    def inventory(self, out: Inventory, name: str, low: int, deep: int) -> None:
        """`low` and `deep`: channels of the shallow map and of the ASPP."""
        with out.scope(name):
            out.conv_norm_act("low", low, self.low_width, self.low_kernel, bias=self.bias)
            if self.refine:
                separable_inventory(out, "refine", deep, deep, 3, separation=self.separation, bias=self.bias)
            channels = self.low_width + deep
            for i in range(self.convs):
                separable_inventory(
                    out, f"convs.{i}", channels, self.width, 3, separation=self.separation, bias=self.bias
                )
                channels = self.width


@dataclass(frozen=True)
class DeepLabv3PlusSpec(EncoderDecoderSpec):
    """Backbone - ASPP of its last stage - fusion with a shallow stage - FCN head; auxiliary heads tap stages."""

    arch: ClassVar[str] = "deeplabv3plus"

    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    aspp: ASPPSpec = field(default_factory=ASPPSpec)
    fusion: FusionSpec = field(default_factory=FusionSpec)
    head: FCNHeadSpec = field(default_factory=lambda: FCNHeadSpec(width=256))

    def decoder_inventory(self, out: Inventory) -> None:
        self.aspp.inventory(out, "aspp", self.backbone.channels(self.backbone.deepest))
        self.fusion.inventory(out, "fusion", self.backbone.channels(self.fusion.tap), self.aspp.out_width)
        self.head.inventory(out, "head", self.fusion.width, self.num_classes)

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return 1, 1  # the picture's mean

    def narrow(self) -> DeepLabv3PlusSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            aspp=self.aspp.narrow(),
            fusion=dataclasses.replace(self.fusion, low_width=8, width=8),
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


CHANNELS = DropoutSpec(p=0.1, unit="channel")
HALF = DropoutSpec(p=0.5)


def _mxnetseg(depth: int) -> DeepLabv3PlusSpec:
    return DeepLabv3PlusSpec(
        backbone=ResNetSpec(depth=depth),  # type: ignore[arg-type]
        fusion=FusionSpec(low_kernel=3, low_first=True, dropout=HALF),
    )


def _xception(*, low_first: bool, auxiliary: tuple[FCNHeadSpec, ...] = ()) -> DeepLabv3PlusSpec:
    return DeepLabv3PlusSpec(
        backbone=AlignedXceptionSpec(),
        fusion=FusionSpec(tap="entry1", low_kernel=3, low_first=low_first, dropout=HALF),
        auxiliary=auxiliary,
    )


def _mmseg(depth: int) -> DeepLabv3PlusSpec:
    separation: Separation = "norm_act"
    return DeepLabv3PlusSpec(
        align_corners=False,
        backbone=ResNetSpec(depth=depth, stem_widths=(32, 32, 64)),  # type: ignore[arg-type]
        aspp=ASPPSpec(
            width=512, separation=separation, pool_first=True, out_width=512, out_kernel=3, dropout=NO_DROPOUT
        ),
        fusion=FusionSpec(convs=2, width=512, separation=separation),
        head=FCNHeadSpec(width=0, dropout=CHANNELS),
        auxiliary=(FCNHeadSpec(tap="layer3", width=256, dropout=CHANNELS),),
    )


def _paddleseg(depth: int) -> DeepLabv3PlusSpec:
    separation: Separation = "norm"
    backbone = ResNetSpec(
        depth=depth,  # type: ignore[arg-type]
        stem_widths=(32, 32, 64),
        first_block="stage",
        multi_grid=(1, 2, 4),
        average_downsample=True,
    )
    return DeepLabv3PlusSpec(
        align_corners=False,
        backbone=backbone,
        aspp=ASPPSpec(separation=separation, bias=True, dropout=DropoutSpec(p=0.1)),
        fusion=FusionSpec(convs=2, separation=separation, bias=True),
        head=FCNHeadSpec(width=0, dropout=NO_DROPOUT),
    )


def _smp(depth: int) -> DeepLabv3PlusSpec:
    return DeepLabv3PlusSpec(
        backbone=resnet_7x7(depth, output_stride=16, first_block="stage"),
        aspp=ASPPSpec(separation="bare"),
        fusion=FusionSpec(refine=True, separation="bare"),
        head=FCNHeadSpec(width=0, dropout=NO_DROPOUT),
    )


def _tiny() -> DeepLabv3PlusSpec:
    return DeepLabv3PlusSpec(
        backbone=resnet_tiny(),
        aspp=ASPPSpec(rates=(2, 4, 6), width=16, out_width=16, separation="norm_act"),
        fusion=FusionSpec(low_width=8, convs=2, width=16, separation="norm_act"),
        head=FCNHeadSpec(width=0),
    )


MXNETSEG = "MXNetSeg, DeepLabv3PlusR(backbone='resnet{}', dilate=True)"
MMSEG = "mmseg 0.19, configs/_base_/models/deeplabv3plus_r50-d8.py at depth {}"
PADDLESEG = "PaddleSeg, DeepLabV3P(backbone=ResNet{}_vd(output_stride=8, multi_grid=[1, 2, 4]))"

PRESETS = [
    Preset(
        "deeplabv3plus_resnet50_mxnetseg",
        _mxnetseg(50),
        PAPER,
        MXNETSEG.format(50),
        40.574,
        golden=golden_files("MXNetSeg/DeepLabv3PlusR_resnet50"),
    ),
    Preset("deeplabv3plus_resnet101_mxnetseg", _mxnetseg(101), PAPER, MXNETSEG.format(101)),
    Preset(
        "deeplabv3plus_xception65_mxnetseg",
        _xception(low_first=True),
        PAPER,
        "MXNetSeg, DeepLabv3PlusX(backbone='xception65')",
        54.754,
        golden=golden_files("MXNetSeg/DeepLabv3PlusX"),
    ),
    Preset(
        "deeplabv3plus_xception65_gluoncv",
        _xception(low_first=False, auxiliary=(FCNHeadSpec(tap="middle", width=182),)),
        PAPER,
        "GluonCV, DeepLabV3Plus(backbone='xception', aux=True)",
        golden=golden_files("GluonCV/DeepLabV3Plus_xception"),
    ),
    Preset(
        "deeplabv3plus_resnet50_mmseg",
        _mmseg(50),
        PAPER,
        MMSEG.format(50),
        43.590,
        golden=golden_files("mmseg/deeplabv3plus_r50"),
    ),
    Preset("deeplabv3plus_resnet101_mmseg", _mmseg(101), PAPER, MMSEG.format(101)),
    Preset(
        "deeplabv3plus_resnet50_vd_paddleseg",
        _paddleseg(50),
        PAPER,
        PADDLESEG.format(50),
        26.72,
        golden=golden_files("PaddleSeg/deeplabv3p_resnet50_vd"),
    ),
    Preset("deeplabv3plus_resnet101_vd_paddleseg", _paddleseg(101), PAPER, PADDLESEG.format(101)),
    Preset(
        "deeplabv3plus_resnet50_smp",
        _smp(50),
        PAPER,
        "segmentation_models_pytorch.DeepLabV3Plus('resnet50')",
        golden=golden_files("smp/deeplabv3plus_resnet50"),
    ),
    Preset("deeplabv3plus_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

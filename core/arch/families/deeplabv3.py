"""DeepLabv3: atrous spatial pyramid pooling on a dilated backbone (Chen et al., arXiv:1706.05587)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.mobilenet_v2 import MobileNetV2Spec
from core.arch.backbones.resnet import ResNetSpec, resnet_7x7, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import NO_DROPOUT, ASPPSpec, DropoutSpec, FCNHeadSpec, NormSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "Rethinking Atrous Convolution for Semantic Image Segmentation, arXiv:1706.05587"


@dataclass(frozen=True)
class DeepLabv3Spec(EncoderDecoderSpec):
    """Backbone - ASPP of its last stage - FCN head; auxiliary heads tap stages of the backbone.

    `decoder_norm`: batch norm of all that stands on the backbone, where it is not the backbone's.
    """

    arch: ClassVar[str] = "deeplabv3"

    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    aspp: ASPPSpec = field(default_factory=ASPPSpec)
    head: FCNHeadSpec = field(default_factory=lambda: FCNHeadSpec(width=256))
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer3", width=256),)
    decoder_norm: NormSpec | None = None

    @property
    def head_norm(self) -> NormSpec:
        return self.decoder_norm or self.backbone.norm

    def decoder_inventory(self, out: Inventory) -> None:
        self.aspp.inventory(out, "aspp", self.backbone.channels(self.backbone.deepest))
        self.head.inventory(out, "head", self.aspp.out_width, self.num_classes)

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return 1, 1  # the picture's mean

    def narrow(self) -> DeepLabv3Spec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            aspp=self.aspp.narrow(),
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


CHANNELS = DropoutSpec(p=0.1, unit="channel")
SCALED = DropoutSpec(p=0.1, scale="inference")


def _gluon(depth: int, rates: tuple[int, ...]) -> DeepLabv3Spec:
    """MXNetSeg's and GluonCV's; they differ in the rates."""
    return DeepLabv3Spec(backbone=ResNetSpec(depth=depth), aspp=ASPPSpec(rates=rates))  # type: ignore[arg-type]


def _torchvision(depth: int) -> DeepLabv3Spec:
    return DeepLabv3Spec(
        align_corners=False, backbone=resnet_7x7(depth), head=FCNHeadSpec(width=256, dropout=NO_DROPOUT)
    )


def _smp(depth: int) -> DeepLabv3Spec:
    return DeepLabv3Spec(
        backbone=resnet_7x7(depth, first_block="stage"),
        head=FCNHeadSpec(width=256, dropout=NO_DROPOUT),
        auxiliary=(),
    )


def _mmseg(depth: int) -> DeepLabv3Spec:
    return DeepLabv3Spec(
        align_corners=False,
        backbone=ResNetSpec(depth=depth, stem_widths=(32, 32, 64)),  # type: ignore[arg-type]
        aspp=ASPPSpec(width=512, pool_first=True, out_width=512, out_kernel=3, dropout=NO_DROPOUT),
        head=FCNHeadSpec(width=0, dropout=CHANNELS),
        auxiliary=(FCNHeadSpec(tap="layer3", width=256, dropout=CHANNELS),),
    )


def _paddleseg(depth: int) -> DeepLabv3Spec:
    backbone = ResNetSpec(
        depth=depth,  # type: ignore[arg-type]
        stem_widths=(32, 32, 64),
        first_block="stage",
        multi_grid=(1, 2, 4),
        average_downsample=True,
    )
    return DeepLabv3Spec(
        align_corners=False,
        backbone=backbone,
        aspp=ASPPSpec(bias=True, dropout=DropoutSpec(p=0.1)),
        head=FCNHeadSpec(width=0, dropout=NO_DROPOUT),
        auxiliary=(),
    )


def _semsegpaddle(depth: int, output_stride: int) -> DeepLabv3Spec:
    """Of the static graph, which runs nowhere today. Not known, so decided here: the resize aligns corners, and the
    pyramid's convolutions have no bias.
    """
    backbone = ResNetSpec(
        depth=depth,  # type: ignore[arg-type]
        output_stride=output_stride,  # type: ignore[arg-type]
        first_block="stage",
        multi_grid=(1, 2, 4),
        stride_in="conv2" if depth == 101 else "conv1",
    )
    rates = {8: (12, 24, 36), 16: (6, 12, 18)}[output_stride]
    return DeepLabv3Spec(
        backbone=backbone,
        aspp=ASPPSpec(rates=rates, pool_first=True, out_width=512, dropout=SCALED),
        head=FCNHeadSpec(width=0, dropout=NO_DROPOUT),
        auxiliary=(FCNHeadSpec(tap="layer3", width=256, dropout=SCALED),),
        decoder_norm=NormSpec(momentum=0.01),
    )


def _mobilenet_v2(width: float, divisor: int) -> DeepLabv3Spec:
    """TensorFlow's for phones: no dilated branches, the mean first. Dropout of its training is not known: none.

    The published files have their batch norms folded; slim's, of the backbone, have an epsilon of 1e-3.
    """
    backbone = MobileNetV2Spec(
        width=width, divisor=divisor, output_stride=16, padding="same", norm=NormSpec(eps=1e-3, momentum=0.003)
    )
    return DeepLabv3Spec(
        num_classes=21,
        backbone=backbone,
        aspp=ASPPSpec(rates=(), pool_first=True, dropout=NO_DROPOUT),
        head=FCNHeadSpec(width=0, dropout=NO_DROPOUT),
        auxiliary=(),
        decoder_norm=NormSpec(),
    )


def _tiny() -> DeepLabv3Spec:
    return DeepLabv3Spec(
        backbone=resnet_tiny(),
        aspp=ASPPSpec(rates=(2, 4, 6), width=16, out_width=16),
        head=FCNHeadSpec(width=16),
        auxiliary=(FCNHeadSpec(tap="layer3", width=16),),
    )


TENSORFLOW = "TensorFlow DeepLab, mobilenet_v2 at width {:g}; google-coral/test_data, deeplabv3_mnv2_{}pascal_quant"
MXNETSEG = "MXNetSeg, DeepLabv3(backbone='resnet{}', aux=True, dilate=True)"
GLUONCV = "GluonCV, DeepLabV3(backbone='resnet{}', aux=True)"
TORCHVISION = "torchvision.models.segmentation.deeplabv3_resnet{}(aux_loss=True)"
MMSEG = "mmseg 0.19, configs/_base_/models/deeplabv3_r50-d8.py at depth {}"
PADDLESEG = "PaddleSeg, DeepLabV3(backbone=ResNet{}_vd(output_stride=8, multi_grid=[1, 2, 4]))"
SEMSEGPADDLE = "after the facts of SemSegPaddle's static graph, DeepLabv3 on ResNet-{} at output stride {}"

PRESETS = [
    Preset(
        "deeplabv3_resnet50_mxnetseg",
        _gluon(50, (6, 12, 18)),
        PAPER,
        MXNETSEG.format(50),
        42.127,
        golden=golden_files("MXNetSeg/DeepLabv3_resnet50"),
    ),
    Preset(
        "deeplabv3_resnet101_mxnetseg",
        _gluon(101, (6, 12, 18)),
        PAPER,
        MXNETSEG.format(101),
        published_mxnetseg=58.8636,
    ),
    *[
        Preset(
            f"deeplabv3_resnet{depth}_gluoncv",
            _gluon(depth, (12, 24, 36)),
            PAPER,
            GLUONCV.format(depth),
            golden=golden_files(f"GluonCV/DeepLabV3_resnet{depth}"),
        )
        for depth in (50, 101)
    ],
    *[
        Preset(
            f"deeplabv3_resnet{depth}_torchvision",
            _torchvision(depth),
            PAPER,
            TORCHVISION.format(depth),
            millions,
            {"num_classes": 21},
            golden=golden_files(f"torchvision/deeplabv3_resnet{depth}"),
        )
        for depth, millions in ((50, 42.004074), (101, 60.996202))
    ],
    Preset(
        "deeplabv3_resnet50_mmseg",
        _mmseg(50),
        PAPER,
        MMSEG.format(50),
        68.113,
        golden=golden_files("mmseg/deeplabv3_r50"),
    ),
    Preset("deeplabv3_resnet101_mmseg", _mmseg(101), PAPER, MMSEG.format(101)),
    Preset(
        "deeplabv3_resnet50_vd_paddleseg",
        _paddleseg(50),
        PAPER,
        PADDLESEG.format(50),
        39.07,
        golden=golden_files("PaddleSeg/deeplabv3_resnet50_vd"),
    ),
    Preset("deeplabv3_resnet101_vd_paddleseg", _paddleseg(101), PAPER, PADDLESEG.format(101)),
    Preset(
        "deeplabv3_resnet50_smp",
        _smp(50),
        PAPER,
        "segmentation_models_pytorch.DeepLabV3('resnet50')",
        golden=golden_files("smp/deeplabv3_resnet50"),
    ),
    Preset("deeplabv3_resnet50_semsegpaddle", _semsegpaddle(50, 8), PAPER, SEMSEGPADDLE.format(50, 8)),
    Preset("deeplabv3_resnet101_semsegpaddle", _semsegpaddle(101, 8), PAPER, SEMSEGPADDLE.format(101, 8)),
    Preset("deeplabv3_resnet101_os16_semsegpaddle", _semsegpaddle(101, 16), PAPER, SEMSEGPADDLE.format(101, 16)),
    Preset("deeplabv3_mobilenet_v2_tensorflow", _mobilenet_v2(1.0, 8), PAPER, TENSORFLOW.format(1, "")),
    # At half width channels are multiples of 4.
    Preset("deeplabv3_mobilenet_v2_dm05_tensorflow", _mobilenet_v2(0.5, 4), PAPER, TENSORFLOW.format(0.5, "dm05_")),
    Preset("deeplabv3_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

"""FCN: a convolution and a classifier on a dilated backbone (Long et al., arXiv:1411.4038)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.hrnet import HRNetSpec
from core.arch.backbones.mobilenet_v2 import MobileNetV2Spec
from core.arch.backbones.resnest import ResNeStSpec
from core.arch.backbones.resnet import ResNetSpec, resnet_7x7, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import NO_DROPOUT, DropoutSpec, FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "Fully Convolutional Networks for Semantic Segmentation, arXiv:1411.4038"
DROPOUT = DropoutSpec(p=0.1)


@dataclass(frozen=True)
class FCNSpec(EncoderDecoderSpec):
    """Backbone - FCN head on its last stage; auxiliary heads tap stages of the backbone."""

    arch: ClassVar[str] = "fcn"

    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    head: FCNHeadSpec = field(default_factory=FCNHeadSpec)
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer3"),)

    def decoder_inventory(self, out: Inventory) -> None:
        self.head.inventory(out, "head", self.backbone.channels(self.backbone.deepest), self.num_classes)

    def narrow(self) -> FCNSpec:
        return dataclasses.replace(
            self, backbone=self.backbone.narrow(), head=self.head.narrow(), auxiliary=narrow_heads(self.auxiliary)
        )


def _heads(backbone: ResNetSpec, width: int, *, align_corners: bool, dropout: DropoutSpec = DROPOUT) -> FCNSpec:
    """A main head of `width` on layer4, an auxiliary one of 256 on layer3."""
    return FCNSpec(
        align_corners=align_corners,
        backbone=backbone,
        head=FCNHeadSpec(width=width, dropout=dropout),
        auxiliary=(FCNHeadSpec(tap="layer3", width=256, dropout=dropout),),
    )


def _semsegpaddle(depth: int) -> FCNSpec:
    return _heads(resnet_7x7(depth), 512, align_corners=True, dropout=DropoutSpec(p=0.1, scale="inference"))


def _mobilenet_v2() -> FCNSpec:
    return FCNSpec(
        backbone=MobileNetV2Spec(),
        head=FCNHeadSpec(width=256, dropout=DROPOUT),
        auxiliary=(FCNHeadSpec(tap="layer3", width=96, dropout=DROPOUT),),
    )


def _hrnet(backbone: HRNetSpec, *, bias: bool) -> FCNSpec:
    """A 1x1 convolution that keeps the channels of the joined branches, and no auxiliary head."""
    width = backbone.channels("joined")
    return FCNSpec(
        align_corners=False,
        backbone=backbone,
        head=FCNHeadSpec(width=width, kernel=1, bias=bias, dropout=NO_DROPOUT),
        auxiliary=(),
    )


def _tiny() -> FCNSpec:
    return FCNSpec(backbone=resnet_tiny(), head=FCNHeadSpec(width=16), auxiliary=(FCNHeadSpec(tap="layer3", width=16),))


def _mobilenet_v2_tiny() -> FCNSpec:
    """As TensorFlow's DeepLab has it: output stride 16, `same` padding."""
    backbone = MobileNetV2Spec(output_stride=16, padding="same").narrow()
    return FCNSpec(backbone=backbone, head=FCNHeadSpec(width=16), auxiliary=(FCNHeadSpec(tap="layer3", width=16),))


TESTS = "of this project: for tests and demonstrations"
MXNETSEG = "MXNetSeg, FCNResNet(backbone='resnet{}', aux=True, dilate={})"
GLUONCV = "GluonCV, FCN(backbone='resnet{}', aux=True)"
TORCHVISION = "torchvision.models.segmentation.fcn_resnet{}(aux_loss=True)"
MMSEG = "mmseg 0.19, configs/_base_/models/fcn_hr18.py at width {}"
PADDLESEG = "PaddleSeg, FCN(backbone=HRNet_W{})"

PRESETS = [
    Preset(
        "fcn_resnet18_mxnetseg",
        _heads(resnet_7x7(18), 256, align_corners=True),
        PAPER,
        MXNETSEG.format(18, True),
        12.957,
        published_mxnetseg=12.3717,
        golden=golden_files("MXNetSeg/FCNResNet_resnet18"),
    ),
    # The same names and shapes: a file of weights does not tell which of the two it is.
    Preset(
        "fcn_resnet18_os32_mxnetseg",
        _heads(resnet_7x7(18, output_stride=32), 256, align_corners=True),
        PAPER,
        MXNETSEG.format(18, False),
        12.957,
        published_mxnetseg=12.3717,
        golden=golden_files("MXNetSeg/FCNResNet_resnet18_os32"),
    ),
    Preset(
        "fcn_resnet50_mxnetseg",
        _heads(ResNetSpec(depth=50), 256, align_corners=True),
        PAPER,
        MXNETSEG.format(50, True),
        30.720,
        published_mxnetseg=28.4098,
        golden=golden_files("MXNetSeg/FCNResNet_resnet50"),
    ),
    Preset(
        "fcn_resnet101_mxnetseg",
        _heads(ResNetSpec(depth=101), 256, align_corners=True),
        PAPER,
        MXNETSEG.format(101, True),
        published_mxnetseg=47.4542,
    ),
    Preset(
        "fcn_resnet50_gluoncv",
        _heads(ResNetSpec(depth=50), 512, align_corners=True),
        PAPER,
        GLUONCV.format(50),
        golden=golden_files("GluonCV/FCN_resnet50"),
    ),
    Preset(
        "fcn_resnet101_gluoncv",
        _heads(ResNetSpec(depth=101), 512, align_corners=True),
        PAPER,
        GLUONCV.format(101),
        golden=golden_files("GluonCV/FCN_resnet101"),
    ),
    Preset(
        "fcn_resnet50_torchvision",
        _heads(resnet_7x7(50), 512, align_corners=False),
        PAPER,
        TORCHVISION.format(50),
        golden=golden_files("torchvision/fcn_resnet50"),
    ),
    Preset(
        "fcn_resnet101_torchvision",
        _heads(resnet_7x7(101), 512, align_corners=False),
        PAPER,
        TORCHVISION.format(101),
        golden=golden_files("torchvision/fcn_resnet101"),
    ),
    # The original's own count holds the unused 1000-class layer `resnet.fc` of 2.049 M; its final resize is not known.
    Preset(
        "fcn_resnet101_semsegpaddle",
        _semsegpaddle(101),
        PAPER,
        "SemSegPaddle, dynamic graph, FCN on ResNet-101 without multi_grid",
        54.31,
        golden=golden_files("SemSegPaddle/fcn_resnet101"),
    ),
    Preset(
        "fcn_mobilenet_v2_mxnetseg",
        _mobilenet_v2(),
        PAPER,
        "MXNetSeg, FCNMobileNet(backbone='mobilenet_v2_1_0', aux=True)",
        2.639,
        golden=golden_files("MXNetSeg/FCNMobileNet"),
    ),
    Preset(
        "fcn_hrnet_w18_mmseg",
        _hrnet(HRNetSpec(width=18), bias=False),
        PAPER,
        MMSEG.format(18),
        9.641,
        golden=golden_files("mmseg/fcn_hr18"),
    ),
    Preset("fcn_hrnet_w48_mmseg", _hrnet(HRNetSpec(width=48), bias=False), PAPER, MMSEG.format(48)),
    Preset(
        "fcn_hrnet_w18_paddleseg",
        _hrnet(HRNetSpec(width=18, padding="same"), bias=True),
        PAPER,
        PADDLESEG.format(18),
        9.64,
        golden=golden_files("PaddleSeg/fcn_hrnet_w18"),
    ),
    Preset(
        "fcn_hrnet_w48_paddleseg", _hrnet(HRNetSpec(width=48, padding="same"), bias=True), PAPER, PADDLESEG.format(48)
    ),
    Preset("fcn_tiny", _tiny(), PAPER, TESTS),
    Preset("fcn_mobilenet_v2_tiny", _mobilenet_v2_tiny(), PAPER, TESTS),
    Preset("fcn_resnest_tiny", _heads(ResNeStSpec().narrow(), 16, align_corners=True), PAPER, TESTS),
    Preset("fcn_hrnet_tiny", _hrnet(HRNetSpec(padding="same").narrow(), bias=False), PAPER, TESTS),
]

"""PSPNet: pyramid scene parsing (Zhao et al., arXiv:1612.01105) on ResNet."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import ResNetSpec, resnet_7x7, resnet_deep, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import DropoutSpec, FCNHeadSpec, PyramidSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads
from core.errors import SpecError

PAPER = "Pyramid Scene Parsing Network, arXiv:1612.01105"


@dataclass(frozen=True)
class PSPNetSpec(EncoderDecoderSpec):
    """Backbone - pyramid pooling of layer4 - FCN head; auxiliary heads tap stages of the backbone."""

    arch: ClassVar[str] = "pspnet"

    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    pyramid: PyramidSpec = field(default_factory=PyramidSpec)
    head: FCNHeadSpec = field(default_factory=FCNHeadSpec)
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer3"),)

    def decoder_inventory(self, out: Inventory) -> None:
        channels = self.backbone.channels(self.backbone.deepest)
        self.pyramid.inventory(out, "pyramid", channels)
        self.head.inventory(out, "head", self.pyramid.out_channels(channels), self.num_classes)

    def check_input(self, height: int, width: int) -> None:
        super().check_input(height, width)
        for side in (height, width):
            size = self.backbone.map_size(side, self.backbone.deepest)
            if not self.pyramid.covers(size):
                raise SpecError(
                    f"input of {height}x{width}: the {size} rows or columns of the feature map leave a window of the "
                    f"strided pooling (bins {self.pyramid.bins}) empty; use a larger input"
                )

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return self.pyramid.smallest

    def narrow(self) -> PSPNetSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            pyramid=dataclasses.replace(self.pyramid, width=8),
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _gald(depth: int) -> PSPNetSpec:
    dropout = DropoutSpec(p=0.1, unit="channel")
    return PSPNetSpec(
        backbone=resnet_deep(depth),
        pyramid=PyramidSpec(act="none", input_first=False),
        head=FCNHeadSpec(dropout=dropout),
        auxiliary=(FCNHeadSpec(tap="layer3", bias=True, dropout=dropout),),
    )


def _semsegpaddle(depth: int) -> PSPNetSpec:
    dropout = DropoutSpec(p=0.1, scale="inference")
    return PSPNetSpec(
        align_corners=False,
        backbone=resnet_7x7(depth, multi_grid=(1, 2, 4)),
        pyramid=PyramidSpec(pooling="strided", align_corners=False),
        head=FCNHeadSpec(dropout=dropout),
        auxiliary=(FCNHeadSpec(tap="layer3", width=256, dropout=dropout),),
    )


def _mxnetseg(depth: int) -> PSPNetSpec:
    backbone = ResNetSpec(depth=depth) if depth >= 50 else resnet_7x7(depth)  # type: ignore[arg-type]
    width = backbone.channels("layer4") // 4
    return PSPNetSpec(
        backbone=backbone,
        pyramid=PyramidSpec(width=width),
        head=FCNHeadSpec(width=256),
        auxiliary=(FCNHeadSpec(tap="layer3", width=256),),
    )


def _gluoncv(depth: int) -> PSPNetSpec:
    return PSPNetSpec(
        backbone=ResNetSpec(depth=depth),  # type: ignore[arg-type]
        pyramid=PyramidSpec(width=512),
        head=FCNHeadSpec(width=512),
        auxiliary=(FCNHeadSpec(tap="layer3", width=256),),
    )


def _smp(depth: int) -> PSPNetSpec:
    """On layer2 alone: the original holds layer3 and layer4, but never runs them."""
    return PSPNetSpec(
        backbone=resnet_7x7(depth, length=2),
        pyramid=PyramidSpec(width=128, input_first=False, norm_single=False),
        head=FCNHeadSpec(width=512, kernel=1, classifier_kernel=3, dropout=DropoutSpec(p=0.2, unit="channel")),
        auxiliary=(),
    )


def _mmseg(depth: int) -> PSPNetSpec:
    dropout = DropoutSpec(p=0.1, unit="channel")
    return PSPNetSpec(
        align_corners=False,
        backbone=ResNetSpec(depth=depth, stem_widths=(32, 32, 64)),  # type: ignore[arg-type]
        pyramid=PyramidSpec(align_corners=False),
        head=FCNHeadSpec(dropout=dropout),
        auxiliary=(FCNHeadSpec(tap="layer3", width=256, dropout=dropout),),
    )


def _paddleseg(depth: int) -> PSPNetSpec:
    return PSPNetSpec(
        align_corners=False,
        backbone=ResNetSpec(depth=depth, stem_widths=(32, 32, 64), first_block="stage", average_downsample=True),  # type: ignore[arg-type]
        pyramid=PyramidSpec(bins=(6, 3, 2, 1), bias=True, align_corners=False),
        head=FCNHeadSpec(width=1024, bias=True),
        auxiliary=(FCNHeadSpec(tap="layer3", width=256, bias=True),),
    )


def _tiny() -> PSPNetSpec:
    return PSPNetSpec(
        backbone=resnet_tiny(),
        pyramid=PyramidSpec(width=8),
        head=FCNHeadSpec(width=16),
        auxiliary=(FCNHeadSpec(tap="layer3", width=16),),
    )


GALD = "GALD-Net and Fast_Seg, libs.models.PSPNet.PSPNet_res{}"
SEMSEGPADDLE = "SemSegPaddle, PSPNet on ResNet-{} with multi_grid"
MXNETSEG = "MXNetSeg, PSPNet(backbone='resnet{}', aux=True)"

PRESETS = [
    Preset(
        "pspnet_resnet50_gald",
        _gald(50),
        PAPER,
        GALD.format(50),
        51.445,
        golden=golden_files("GALD-Net/PSPNet_res50", "Fast_Seg/PSPNet_res50"),
    ),
    Preset(
        "pspnet_resnet101_gald",
        _gald(101),
        PAPER,
        GALD.format(101),
        70.437,
        golden=golden_files("GALD-Net/PSPNet_res101"),
    ),
    # The original's own count (51.01, 70.00) holds the unused 1000-class layer `resnet.fc` of 2.049 M.
    Preset(
        "pspnet_resnet50_semsegpaddle",
        _semsegpaddle(50),
        PAPER,
        SEMSEGPADDLE.format(50),
        48.96,
        golden=golden_files("SemSegPaddle/pspnet_resnet50"),
    ),
    Preset(
        "pspnet_resnet101_semsegpaddle",
        _semsegpaddle(101),
        PAPER,
        SEMSEGPADDLE.format(101),
        67.95,
        golden=golden_files("SemSegPaddle/pspnet_resnet101"),
    ),
    Preset("pspnet_resnet18_mxnetseg", _mxnetseg(18), PAPER, MXNETSEG.format(18)),
    Preset("pspnet_resnet34_mxnetseg", _mxnetseg(34), PAPER, MXNETSEG.format(34)),
    Preset(
        "pspnet_resnet50_mxnetseg",
        _mxnetseg(50),
        PAPER,
        MXNETSEG.format(50),
        39.637,
        golden=golden_files("MXNetSeg/PSPNet_resnet50"),
    ),
    Preset(
        "pspnet_resnet101_mxnetseg",
        _mxnetseg(101),
        PAPER,
        MXNETSEG.format(101),
        58.630,
        published_mxnetseg=56.3753,
        golden=golden_files("MXNetSeg/PSPNet_resnet101"),
    ),
    Preset("pspnet_resnet152_mxnetseg", _mxnetseg(152), PAPER, MXNETSEG.format(152)),
    *[
        Preset(
            f"pspnet_resnet{depth}_gluoncv",
            _gluoncv(depth),
            PAPER,
            f"GluonCV, PSPNet(backbone='resnet{depth}', aux=True)",
            golden=golden_files(f"GluonCV/PSPNet_resnet{depth}"),
        )
        for depth in (50, 101)
    ],
    Preset(
        "pspnet_resnet50_smp",
        _smp(50),
        PAPER,
        "segmentation_models.pytorch, PSPNet('resnet50')",
        golden=golden_files("smp/pspnet_resnet50"),
    ),
    Preset(
        "pspnet_resnet50_mmseg",
        _mmseg(50),
        PAPER,
        "mmseg 0.19, configs/_base_/models/pspnet_r50-d8.py",
        48.98,
        golden=golden_files("mmseg/pspnet_r50"),
    ),
    Preset(
        "pspnet_resnet50_vd_paddleseg",
        _paddleseg(50),
        PAPER,
        "PaddleSeg, PSPNet(backbone=ResNet50_vd)",
        67.86,
        golden=golden_files("PaddleSeg/pspnet_resnet50_vd"),
    ),
    Preset("pspnet_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

"""FCN: a convolution and a classifier on a dilated backbone (Long et al., arXiv:1411.4038)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import ResNetSpec, resnet_7x7, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "Fully Convolutional Networks for Semantic Segmentation, arXiv:1411.4038"


@dataclass(frozen=True)
class FCNSpec(EncoderDecoderSpec):
    """Backbone - FCN head on its deepest map; auxiliary heads tap stages of the backbone."""

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


def _mxnetseg(backbone: ResNetSpec) -> FCNSpec:
    return FCNSpec(backbone=backbone, head=FCNHeadSpec(width=256), auxiliary=(FCNHeadSpec(tap="layer3", width=256),))


def _tiny() -> FCNSpec:
    return FCNSpec(backbone=resnet_tiny(), head=FCNHeadSpec(width=16), auxiliary=(FCNHeadSpec(tap="layer3", width=16),))


MXNETSEG = "MXNetSeg, FCNResNet(backbone='resnet{}', aux=True, dilate={})"

PRESETS = [
    Preset(
        "fcn_resnet18_mxnetseg",
        _mxnetseg(resnet_7x7(18)),
        PAPER,
        MXNETSEG.format(18, True),
        12.957,
        golden=golden_files("MXNetSeg/FCNResNet_resnet18"),
    ),
    # The same names and shapes: a file of weights does not tell which of the two it is.
    Preset(
        "fcn_resnet18_os32_mxnetseg",
        _mxnetseg(resnet_7x7(18, output_stride=32)),
        PAPER,
        MXNETSEG.format(18, False),
        12.957,
        golden=golden_files("MXNetSeg/FCNResNet_resnet18_os32"),
    ),
    Preset("fcn_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

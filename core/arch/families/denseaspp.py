"""DenseASPP: dilated convolutions, each of which sees all before it (Yang et al., CVPR 2018)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.densenet import densenet, densenet_tiny
from core.arch.backbones.resnet import ResNetSpec
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import DropoutSpec, FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "DenseASPP for Semantic Segmentation in Street Scenes, CVPR 2018"


@dataclass(frozen=True)
class DenseASPPBlockSpec:
    """3x3 convolutions of `width` channels, one for each of `rates` (dilation = padding).

    The first sees the map, every further one the map and all results so far, in this order, behind a 1x1 convolution of
    `inner` channels. A 1x1 one projects the map and all results to `out_width`. Batch norm and ReLU follow every
    convolution, as in MXNetSeg; in the paper they go before.
    """

    rates: tuple[int, ...] = (3, 6, 12, 18, 24)
    inner: int = 1024
    width: int = 256
    out_width: int = 256
    dropout: DropoutSpec = DropoutSpec(p=0.5)

    def __post_init__(self) -> None:
        if not self.rates or min(self.rates) < 1:
            raise ValueError(f"dense aspp rates {self.rates} must be positive")

    def inventory(self, out: Inventory, name: str, channels: int) -> None:
        with out.scope(name):
            for i in range(1, len(self.rates)):
                out.conv_norm_act(f"transitions.{i - 1}", channels + i * self.width, self.inner, 1)
            for i in range(len(self.rates)):
                out.conv_norm_act(f"dilated.{i}", self.inner if i > 0 else channels, self.width, 3)
            seen = channels + len(self.rates) * self.width
            out.conv_norm_act("project", seen, self.out_width, 1)


@dataclass(frozen=True)
class DenseASPPSpec(EncoderDecoderSpec):
    """Backbone - DenseASPP of its last stage - FCN head; auxiliary heads tap stages of the backbone."""

    arch: ClassVar[str] = "denseaspp"

    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    dense_aspp: DenseASPPBlockSpec = field(default_factory=DenseASPPBlockSpec)
    head: FCNHeadSpec = field(default_factory=lambda: FCNHeadSpec(width=256))
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer3", width=256),)

    def decoder_inventory(self, out: Inventory) -> None:
        self.dense_aspp.inventory(out, "dense_aspp", self.backbone.channels(self.backbone.deepest))
        self.head.inventory(out, "head", self.dense_aspp.out_width, self.num_classes)

    def narrow(self) -> DenseASPPSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            dense_aspp=dataclasses.replace(self.dense_aspp, inner=8, width=8, out_width=8),
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _tiny() -> DenseASPPSpec:
    return DenseASPPSpec(
        backbone=densenet_tiny(output_stride=8),
        dense_aspp=DenseASPPBlockSpec(rates=(1, 2, 3), inner=16, width=8, out_width=16),
        head=FCNHeadSpec(width=16),
        auxiliary=(FCNHeadSpec(tap="layer3", width=16),),
    )


MXNETSEG = "MXNetSeg, DenseASPP(backbone='resnet{}', aux=True)"

PRESETS = [
    Preset(
        "denseaspp_resnet50_mxnetseg",
        DenseASPPSpec(backbone=ResNetSpec(depth=50)),
        PAPER,
        MXNETSEG.format(50),
        52.621,
        golden=golden_files("MXNetSeg/DenseASPP_resnet50"),
    ),
    Preset(
        "denseaspp_resnet101_mxnetseg",
        DenseASPPSpec(backbone=ResNetSpec(depth=101)),
        PAPER,
        MXNETSEG.format(101),
        published_mxnetseg=69.3657,
    ),
    *[
        Preset(
            f"denseaspp_densenet{depth}",
            DenseASPPSpec(backbone=densenet(depth, output_stride=8)),
            PAPER,
            f"the paper's backbone, DenseNet-{depth} at output stride 8, under MXNetSeg's DenseASPP",
        )
        for depth in (121, 161)
    ],
    Preset("denseaspp_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

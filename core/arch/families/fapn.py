"""FaPN: feature-aligned pyramid network by deformable convolutions (Huang et al., arXiv:2108.07058)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import resnet_7x7, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import ChannelGateSpec, FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "FaPN: Feature-aligned Pyramid Network for Dense Image Prediction, arXiv:2108.07058"


@dataclass(frozen=True)
class FaPNSpec(EncoderDecoderSpec):
    """The deepest stage 1x1 to `width`; upwards an alignment with each stage; FCN head on the shallowest.

    Alignment: the stage's channels gated (x * gate + x) and selected by 1x1 and ReLU without a norm; the map from
    below resized; a 1x1 of both with batch norm; a modulated deformable convolution of the resized map and that, in
    `groups`, whose offsets come of the same maps (MXNetSeg); ReLU; and the selected map added.
    """

    arch: ClassVar[str] = "fapn"

    backbone: BackboneSpec = field(default_factory=lambda: resnet_7x7(18, output_stride=32))
    width: int = 256
    gate: ChannelGateSpec = ChannelGateSpec()
    kernel: int = 3
    groups: int = 8
    head: FCNHeadSpec = FCNHeadSpec(width=256)
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer3", width=256),)

    def __post_init__(self) -> None:
        if self.width % self.groups:
            raise ValueError(f"width {self.width} is not a multiple of groups {self.groups}")

    def decoder_inventory(self, out: Inventory) -> None:
        *rest, deepest = (self.backbone.channels(stage) for stage in self.backbone.stages())
        width = self.width
        out.conv_norm_act("top", deepest, width, 1)
        for i, channels in enumerate(reversed(rest)):
            with out.scope(f"aligns.{i}"):
                self.gate.inventory(out, "gate", channels)
                out.conv_act("select", channels, width, 1)
                out.conv_norm_act("mix", 2 * width, width, 1)
                out.deformable_conv("align", 2 * width, width, self.kernel, self.groups)
        self.head.inventory(out, "head", width, self.num_classes)

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return (1, 1) if self.gate.norm else super().smallest_normalised(height, width)

    def narrow(self) -> FaPNSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            width=8,
            groups=2,
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


PRESETS = [
    Preset(
        "fapn_resnet18_mxnetseg",
        FaPNSpec(),
        PAPER,
        "MXNetSeg, FaPN(backbone='resnet18', aux=True)",
        19.621,
        golden=golden_files("MXNetSeg/FaPN_resnet18"),
    ),
    Preset(
        "fapn_tiny",
        FaPNSpec(
            backbone=resnet_tiny(output_stride=32),
            width=16,
            groups=2,
            head=FCNHeadSpec(width=16),
            auxiliary=(FCNHeadSpec(tap="layer3", width=16),),
        ),
        PAPER,
        "of this project: for tests and demonstrations",
    ),
]

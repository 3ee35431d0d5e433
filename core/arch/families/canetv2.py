"""CANet v2: encoder-decoders against local ambiguity (Tang et al., IEEE T-ITS 2022)."""

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

PAPER = "Compensating for Local Ambiguity with Encoder-Decoder in Urban Scene Segmentation, IEEE T-ITS 2022"


@dataclass(frozen=True)
class CANetV2Spec(EncoderDecoderSpec):
    """Encoder-decoders of different depth on a 1x1 of layer4, gated against each other and a 1x1 of layer3.

    An encoder-decoder: one to `depths` strided bottlenecks (`inner` channels inside, no activation after the sum), 3x3,
    resized back, 1x1. Gate: the maps concatenated, 1x1, 1x1 to a channel each with batch norm, softmax over them. The
    weighted sum and the picture's mean (1x1 to `pooled` channels) go to the head.
    """

    arch: ClassVar[str] = "canetv2"

    backbone: BackboneSpec = field(default_factory=lambda: resnet_7x7(18))
    width: int = 512
    inner: int = 128
    depths: tuple[int, ...] = (1, 2, 3)
    pooled: int = 48
    head: FCNHeadSpec = FCNHeadSpec(width=256)
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer3", width=256),)

    def decoder_inventory(self, out: Inventory) -> None:
        shallow, deep = (self.backbone.channels(stage) for stage in self.backbone.stages()[-2:])
        width, maps = self.width, len(self.depths) + 1
        out.conv_norm_act("deep", deep, width, 1)
        out.conv_norm_act("shallow", shallow, width, 1)
        out.conv_norm_act("pool", deep, self.pooled, 1)
        for i, depth in enumerate(self.depths):
            with out.scope(f"branches.{i}"):
                for j in range(depth):
                    self._bottleneck(out, f"encoder.{j}")
                out.conv_norm_act("refine", width, width, 3)
                out.conv_norm_act("out", width, width, 1)
        out.conv_norm_act("gate.0", maps * width, width, 1)
        out.conv_norm_act("gate.1", width, maps, 1)
        self.head.inventory(out, "head", width + self.pooled, self.num_classes)

    def _bottleneck(self, out: Inventory, name: str) -> None:
        with out.scope(name):
            out.conv_norm_act("reduce", self.width, self.inner, 1)
            out.conv_norm_act("stride", self.inner, self.inner, 3)
            out.conv_norm_act("expand", self.inner, self.width, 1)
            out.conv_norm_act("shortcut", self.width, self.width, 1)

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return 1, 1

    def narrow(self) -> CANetV2Spec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            width=16,
            inner=8,
            pooled=4,
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _mxnetseg(depth: int) -> CANetV2Spec:
    backbone = ResNetSpec(depth=depth) if depth >= 50 else resnet_7x7(depth)  # type: ignore[arg-type]
    return CANetV2Spec(backbone=backbone)


MXNETSEG = "MXNetSeg, CANetv2(backbone='resnet{}', aux=True, dilate=True)"

PRESETS = [
    Preset(
        "canetv2_resnet18_mxnetseg",
        _mxnetseg(18),
        PAPER,
        MXNETSEG.format(18),
        25.669,
        golden=golden_files("MXNetSeg/CANetv2_resnet18"),
    ),
    Preset("canetv2_resnet50_mxnetseg", _mxnetseg(50), PAPER, MXNETSEG.format(50)),
    Preset(
        "canetv2_tiny",
        dataclasses.replace(CANetV2Spec().narrow(), backbone=resnet_tiny()),
        PAPER,
        "of this project: for tests and demonstrations",
    ),
]

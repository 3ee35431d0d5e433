"""CANet v1: chained context aggregation (Tang et al., arXiv:2002.12041)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import ResNetSpec, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import DropoutSpec, FCNHeadSpec, separable_inventory
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads
from core.errors import SpecError

PAPER = "Attention-guided Chained Context Aggregation for Semantic Segmentation, arXiv:2002.12041"


@dataclass(frozen=True)
class CANetV1Spec(EncoderDecoderSpec):
    """A global flow (the picture's mean, 1x1), and a chain of context flows, each of `width` channels; their sum.

    A context flow takes the deepest map and the flow before it, average-pools to side // stride adaptive bins,
    convolves twice depthwise and pointwise, and resizes back. The sum: 3x3 to `merged`, dropout, resized to layer1,
    concatenated with a 3x3 of that to `detail` channels, 3x3, head.
    """

    arch: ClassVar[str] = "canetv1"

    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    width: int = 512
    strides: tuple[int, ...] = (2, 4, 8, 16)
    merged: int = 256
    detail: int = 48
    dropout: DropoutSpec = DropoutSpec(p=0.1)
    head: FCNHeadSpec = FCNHeadSpec(width=256)
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer3", width=256),)

    def decoder_inventory(self, out: Inventory) -> None:
        stages, width = self.backbone.stages(), self.width
        channels = self.backbone.channels(stages[-1])
        out.conv_norm_act("global_flow", channels, width, 1)
        for i in range(len(self.strides)):
            for j, inner in enumerate((channels + width, width)):
                separable_inventory(out, f"flows.{i}.{j}", inner, width, 3, separation="norm_act")
        out.conv_norm_act("merge", width, self.merged, 3)
        out.conv_norm_act("detail", self.backbone.channels(stages[0]), self.detail, 3)
        out.conv_norm_act("refine", self.merged + self.detail, self.merged, 3)
        self.head.inventory(out, "head", self.merged, self.num_classes)

    def check_input(self, height: int, width: int) -> None:
        super().check_input(height, width)
        for side in (height, width):
            size = self.backbone.map_size(side, self.backbone.deepest)
            if size < max(self.strides):
                raise SpecError(
                    f"input of {height}x{width}: {size} rows or columns of the feature map cannot be pooled by "
                    f"{max(self.strides)}; use a larger input"
                )

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return 1, 1

    def narrow(self) -> CANetV1Spec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            width=8,
            merged=8,
            detail=4,
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _mxnetseg(depth: int) -> CANetV1Spec:
    return CANetV1Spec(backbone=ResNetSpec(depth=depth))  # type: ignore[arg-type]


MXNETSEG = "MXNetSeg, CANetv1(backbone='resnet{}', aux=True)"

PRESETS = [
    Preset(
        "canetv1_resnet50_mxnetseg",
        _mxnetseg(50),
        PAPER,
        MXNETSEG.format(50),
        36.068,
        golden=golden_files("MXNetSeg/CANetv1_resnet50"),
    ),
    Preset("canetv1_resnet101_mxnetseg", _mxnetseg(101), PAPER, MXNETSEG.format(101)),
    Preset(
        "canetv1_tiny",
        dataclasses.replace(CANetV1Spec().narrow(), backbone=resnet_tiny()),
        PAPER,
        "of this project: for tests and demonstrations",
    ),
]

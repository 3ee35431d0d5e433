"""Attention to Scale: two sizes of the picture, weighted place by place (Chen et al., arXiv:1511.03339)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import ResNetSpec, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import NO_DROPOUT, FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "Attention to Scale: Scale-aware Semantic Image Segmentation, arXiv:1511.03339"


@dataclass(frozen=True)
class AttentionToScaleSpec(EncoderDecoderSpec):
    """The backbone on the picture at half its size, then on the picture; `head` on both deepest maps, in that order.

    The half's map is resized to the other's first. `attention` (one logit, of both maps concatenated) gives by a
    sigmoid the weight of the whole picture's logits, its rest that of the half's. Auxiliary heads tap the picture's
    stages or `half`, the half's deepest map as it is.
    """

    arch: ClassVar[str] = "attentiontoscale"

    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    head: FCNHeadSpec = FCNHeadSpec(width=256)
    attention: FCNHeadSpec = FCNHeadSpec(width=512, dropout=NO_DROPOUT)
    auxiliary: tuple[FCNHeadSpec, ...] = (
        FCNHeadSpec(tap="layer4", width=256, kernel=1, dropout=NO_DROPOUT),
        FCNHeadSpec(tap="half", width=256, kernel=1, dropout=NO_DROPOUT),
    )

    def tap_channels(self, tap: str) -> int:
        return self.backbone.channels(self.backbone.deepest if tap == "half" else tap)

    def decoder_inventory(self, out: Inventory) -> None:
        channels = self.backbone.channels(self.backbone.deepest)
        self.head.inventory(out, "head", channels, self.num_classes)
        self.attention.inventory(out, "attention", 2 * channels, 1)

    @property
    def least(self) -> int:
        return 32

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return super().smallest_normalised(height // 2, width // 2)

    def narrow(self) -> AttentionToScaleSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            head=self.head.narrow(),
            attention=self.attention.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _mxnetseg(depth: int) -> AttentionToScaleSpec:
    return AttentionToScaleSpec(backbone=ResNetSpec(depth=depth))  # type: ignore[arg-type]


MXNETSEG = "MXNetSeg, AttentionToScale(backbone='resnet{}', aux=True)"

PRESETS = [
    Preset(
        "attentiontoscale_resnet50_mxnetseg",
        _mxnetseg(50),
        PAPER,
        MXNETSEG.format(50),
        48.291,
        golden=golden_files("MXNetSeg/AttentionToScale_resnet50"),
    ),
    Preset("attentiontoscale_resnet101_mxnetseg", _mxnetseg(101), PAPER, MXNETSEG.format(101)),
    Preset(
        "attentiontoscale_tiny",
        dataclasses.replace(AttentionToScaleSpec().narrow(), backbone=resnet_tiny()),
        PAPER,
        "of this project: for tests and demonstrations",
    ),
]

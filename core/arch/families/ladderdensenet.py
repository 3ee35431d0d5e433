"""LadderDenseNet: a DenseNet and a light ladder back up (Krešo et al., ICCV workshops 2017)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.densenet import densenet, densenet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "Ladder-Style DenseNets for Semantic Segmentation of Large Natural Images, ICCV workshops 2017"
TOP = "top"


@dataclass(frozen=True)
class LadderDenseNetSpec(EncoderDecoderSpec):
    """Backbone - 1x1 convolution of its last stage, `top` - a step up for each shallower stage - FCN head.

    A step: the map so far, resized to the stage's, plus a 1x1 convolution of the stage, then a 3x3 one, all of `width`
    channels. Auxiliary heads tap `top` or stages of the backbone.
    """

    arch: ClassVar[str] = "ladderdensenet"

    backbone: BackboneSpec = field(default_factory=lambda: densenet(121))
    width: int = 128
    head: FCNHeadSpec = field(default_factory=lambda: FCNHeadSpec(width=128))
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap=TOP, width=128),)

    @property
    def steps(self) -> tuple[str, ...]:
        """The stages that the ladder's steps add, from the deepest."""
        return self.backbone.stages()[-2::-1]

    def decoder_inventory(self, out: Inventory) -> None:
        out.conv_norm_act("top", self.backbone.channels(self.backbone.deepest), self.width, 1)
        for i, stage in enumerate(self.steps):
            out.conv_norm_act(f"steps.{i}.lateral", self.backbone.channels(stage), self.width, 1)
            out.conv_norm_act(f"steps.{i}.smooth", self.width, self.width, 3)
        self.head.inventory(out, "head", self.width, self.num_classes)

    def tap_channels(self, tap: str) -> int:
        return self.width if tap == TOP else super().tap_channels(tap)

    @property
    def least(self) -> int:
        return self.backbone.stride(self.backbone.deepest)  # a DenseNet's transitions round down

    def narrow(self) -> LadderDenseNetSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            width=8,
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _tiny() -> LadderDenseNetSpec:
    return LadderDenseNetSpec(
        backbone=densenet_tiny(),
        width=16,
        head=FCNHeadSpec(width=16),
        auxiliary=(FCNHeadSpec(tap=TOP, width=16),),
    )


_COUNTS = {121: 8.059, 161: None, 169: None, 201: None}

PRESETS = [
    *[
        Preset(
            f"ladderdensenet_densenet{depth}_mxnetseg",
            LadderDenseNetSpec(backbone=densenet(depth)),
            PAPER,
            f"MXNetSeg, LadderDenseNet(backbone='densenet{depth}', aux=True)",
            millions,
            golden=golden_files("MXNetSeg/LadderDenseNet_densenet121") if depth == 121 else (),
        )
        for depth, millions in _COUNTS.items()
    ],
    Preset("ladderdensenet_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

"""ACFNet: attentional class features, a coarse segmentation that weights them (Zhang et al., arXiv:1909.09408)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import ResNetSpec, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import DropoutSpec, FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, OutputSpec, Preset, narrow_heads

PAPER = "ACFNet: Attentional Class Feature Network for Semantic Segmentation, arXiv:1909.09408"


@dataclass(frozen=True)
class ACFNetSpec(EncoderDecoderSpec):
    """Backbone - dilated branches - `coarse` head; class features attend to its logits; `head` on both maps.

    Branches: a 1x1 and a 3x3 convolution for each of `rates`, concatenated and projected, all of `width` channels.
    Class features: 1x1; each class's logits times every channel, a softmax of the negative over channels; logits mixed
    by it; 1x1. The network returns main, coarse, auxiliary.
    """

    arch: ClassVar[str] = "acfnet"

    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    rates: tuple[int, ...] = (12, 24, 36)
    width: int = 512
    dropout: DropoutSpec = DropoutSpec(p=0.5)
    coarse: FCNHeadSpec = FCNHeadSpec(width=256)
    head: FCNHeadSpec = FCNHeadSpec(width=256)
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer3", width=256),)

    def outputs(self) -> tuple[OutputSpec, ...]:
        main, *auxiliary = super().outputs()
        return (main, OutputSpec("coarse", weight=0.4), *auxiliary)

    def decoder_inventory(self, out: Inventory) -> None:
        channels, width = self.backbone.channels(self.backbone.deepest), self.width
        out.conv_norm_act("branches.0", channels, width, 1)
        for i in range(1, len(self.rates) + 1):
            out.conv_norm_act(f"branches.{i}", channels, width, 3)
        out.conv_norm_act("project", (len(self.rates) + 1) * width, width, 1)
        self.coarse.inventory(out, "coarse", width, self.num_classes)
        out.conv_norm_act("classes.reduce", width, width, 1)
        out.conv_norm_act("classes.out", width, width, 1)
        self.head.inventory(out, "head", 2 * width, self.num_classes)

    def narrow(self) -> ACFNetSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            width=8,
            coarse=self.coarse.narrow(),
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _mxnetseg(depth: int) -> ACFNetSpec:
    return ACFNetSpec(backbone=ResNetSpec(depth=depth))  # type: ignore[arg-type]


MXNETSEG = "MXNetSeg, ACFNet(backbone='resnet{}', aux=True)"

PRESETS = [
    Preset(
        "acfnet_resnet50_mxnetseg",
        _mxnetseg(50),
        PAPER,
        MXNETSEG.format(50),
        60.486,
        golden=golden_files("MXNetSeg/ACFNet_resnet50"),
    ),
    Preset("acfnet_resnet101_mxnetseg", _mxnetseg(101), PAPER, MXNETSEG.format(101)),
    Preset(
        "acfnet_tiny",
        dataclasses.replace(ACFNetSpec().narrow(), backbone=resnet_tiny()),
        PAPER,
        "of this project: for tests and demonstrations",
    ),
]

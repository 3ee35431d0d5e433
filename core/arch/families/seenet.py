"""SeENet: semantic enhancement of shallow maps, boundaries attended to (Pang et al., ICCV 2019)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import ResNetSpec, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "Towards Bridging Semantic Gap to Improve Semantic Segmentation (SeENet), ICCV 2019"


@dataclass(frozen=True)
class EnhancementSpec:
    """Branches of 1x1 - (global convolution) - 3x3 with one of `rates`, concatenated after the input, projected 1x1.

    Global convolution (Peng et al., arXiv:1703.02719): `kernel` x 1 then 1 x `kernel`, plus the two in the other order;
    0 leaves it out.
    """

    rates: tuple[int, ...]
    kernel: int = 0

    def inventory(self, out: Inventory, name: str, channels: int, width: int) -> None:
        with out.scope(name):
            for i in range(len(self.rates)):
                with out.scope(f"branches.{i}"):
                    out.conv_norm_act("reduce", channels, width, 1)
                    if self.kernel:
                        for part, first in (("down", True), ("across", False)):
                            kernels = [(self.kernel, 1), (1, self.kernel)][:: 1 if first else -1]
                            for j, kernel in enumerate(kernels):
                                out.conv(f"wide.{part}.{j}", width, width, kernel, bias=True)
                    out.conv_norm_act("dilate", width, width, 3)
            out.conv_norm_act("project", channels + len(self.rates) * width, width, 1)


@dataclass(frozen=True)
class SeENetSpec(EncoderDecoderSpec):
    """Enhancement of layer2, of that with layer3, of that with layer4, each `width` channels; then the boundary.

    Boundary: a gate from the enhanced map, at layer1's resolution, lets through of layer1 what it is not sure of; 1x1
    and 3x3 of that are added, and the head follows.
    """

    arch: ClassVar[str] = "seenet"

    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    width: int = 128
    enhancements: tuple[EnhancementSpec, EnhancementSpec, EnhancementSpec] = (
        EnhancementSpec((1, 2, 4, 8)),
        EnhancementSpec((3, 6, 9, 12)),
        EnhancementSpec((7, 13, 19, 25), kernel=3),
    )
    head: FCNHeadSpec = FCNHeadSpec(width=128)
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer3", width=256),)

    def __post_init__(self) -> None:
        strides = {self.backbone.stride(stage) for stage in self.backbone.stages()[1:]}
        if len(strides) > 1:
            raise ValueError(f"seenet concatenates all stages but the first, whose strides are {sorted(strides)}")

    def inputs(self) -> list[int]:
        """Channels of what each enhancement takes."""
        deeper = [self.backbone.channels(stage) for stage in self.backbone.stages()[1:]]
        return [channels + (self.width if i else 0) for i, channels in enumerate(deeper)]

    def decoder_inventory(self, out: Inventory) -> None:
        shallow, width = self.backbone.channels(self.backbone.stages()[0]), self.width
        for i, (enhancement, channels) in enumerate(zip(self.enhancements, self.inputs())):
            enhancement.inventory(out, f"enhance.{i}", channels, width)
        out.conv_norm_act("boundary.gate", width, shallow, 1)
        out.conv_norm_act("boundary.reduce", shallow, width, 1)
        out.conv_norm_act("boundary.refine", width, width, 3)
        self.head.inventory(out, "head", width, self.num_classes)

    def narrow(self) -> SeENetSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            width=8,
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _mxnetseg(depth: int) -> SeENetSpec:
    return SeENetSpec(backbone=ResNetSpec(depth=depth))  # type: ignore[arg-type]


MXNETSEG = "MXNetSeg, SeENet(backbone='resnet{}', aux=True)"

PRESETS = [
    Preset(
        "seenet_resnet50_mxnetseg",
        _mxnetseg(50),
        PAPER,
        MXNETSEG.format(50),
        31.580,
        golden=golden_files("MXNetSeg/SeENet_resnet50"),
    ),
    Preset("seenet_resnet101_mxnetseg", _mxnetseg(101), PAPER, MXNETSEG.format(101)),
    Preset(
        "seenet_tiny",
        dataclasses.replace(SeENetSpec().narrow(), backbone=resnet_tiny()),
        PAPER,
        "of this project: for tests and demonstrations",
    ),
]

"""SwiftNet in MXNetSeg's two forms, of one scale and of two (Orsic et al., arXiv:1903.08469)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import resnet_7x7, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import DropoutSpec, FCNHeadSpec, PyramidSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads
from core.errors import SpecError

PAPER = "In Defense of Pre-trained ImageNet Architectures for Real-time Semantic Segmentation, arXiv:1903.08469"
HALF = "_half"  # behind a stage's name: its map of the picture at half its size


@dataclass(frozen=True)
class SwiftResNetSpec(EncoderDecoderSpec):
    """Backbone - (pyramid pooling) - 1x1 - a ladder up to the first stage - FCN head, every unit conv - norm - ReLU.

    Ladder: 1x1 of the lateral maps, plus the map resized to them, 3x3. half_scale: the backbone runs on the picture and
    then, with the same weights, on the picture at half its size (rounded down), whose maps are concatenated in front of
    the picture's maps of the same stride; the ladder starts from the deepest of the half and ends on layer1 alone.
    """

    arch: ClassVar[str] = "swiftresnet"

    backbone: BackboneSpec = field(default_factory=lambda: resnet_7x7(18, output_stride=32))
    half_scale: bool = False
    pyramid: PyramidSpec | None = field(default_factory=lambda: PyramidSpec(width=128))
    width: int = 256
    head: FCNHeadSpec = FCNHeadSpec(width=256)
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer3", width=256),)

    @property
    def top(self) -> str:
        """The map that the ladder starts from."""
        return self.backbone.deepest + (HALF if self.half_scale else "")

    @property
    def laterals(self) -> tuple[tuple[str, ...], ...]:
        """The maps that each step of the ladder takes together, deepest first."""
        stages = self.backbone.stages()
        if not self.half_scale:
            return tuple((stage,) for stage in stages[-2::-1])
        pairs = tuple((half + HALF, whole) for half, whole in zip(stages[-2::-1], stages[:0:-1]))
        return (*pairs, (stages[0],))

    def channels(self, name: str) -> int:
        return self.backbone.channels(name.removesuffix(HALF))

    def decoder_inventory(self, out: Inventory) -> None:
        channels = self.channels(self.top)
        if self.pyramid is not None:
            self.pyramid.inventory(out, "pyramid", channels)
            channels = self.pyramid.out_channels(channels)
        out.conv_norm_act("start", channels, self.width, 1)
        for i, maps in enumerate(self.laterals):
            out.conv_norm_act(f"ladder.{i}.lateral", sum(map(self.channels, maps)), self.width, 1)
            out.conv_norm_act(f"ladder.{i}.blend", self.width, self.width, 3)
        self.head.inventory(out, "head", self.width, self.num_classes)

    def check_input(self, height: int, width: int) -> None:
        super().check_input(height, width)
        for side in (height, width) if self.half_scale else ():
            for half, whole in self.laterals[:-1]:
                sizes = self._map_size(side, half), self._map_size(side, whole)
                if sizes[0] != sizes[1]:
                    raise SpecError(
                        f"input of {height}x{width}: {whole} has {sizes[1]} rows or columns, the half-sized picture's "
                        f"{half.removesuffix(HALF)} has {sizes[0]}; use even sides"
                    )

    def _map_size(self, side: int, name: str) -> int:
        return self.backbone.map_size(side // 2 if name.endswith(HALF) else side, name.removesuffix(HALF))

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        if self.pyramid is not None:
            return self.pyramid.smallest
        return self._map_size(height, self.top), self._map_size(width, self.top)

    def narrow(self) -> SwiftResNetSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            pyramid=self.pyramid and dataclasses.replace(self.pyramid, width=8),
            width=16,
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _two_scales() -> SwiftResNetSpec:
    # Its auxiliary head has a 1x1 convolution and no dropout.
    auxiliary = FCNHeadSpec(tap="layer3", width=256, kernel=1, dropout=DropoutSpec(p=0.0))
    return SwiftResNetSpec(
        half_scale=True, pyramid=None, width=128, head=FCNHeadSpec(width=128), auxiliary=(auxiliary,)
    )


def _tiny() -> SwiftResNetSpec:
    return dataclasses.replace(_two_scales().narrow(), backbone=resnet_tiny(output_stride=32))


ORIGINAL = "MXNetSeg, {}(backbone='resnet18', aux=True)"

PRESETS = [
    Preset(
        "swiftresnet_resnet18_mxnetseg",
        SwiftResNetSpec(),
        PAPER,
        ORIGINAL.format("SwiftResNet"),
        14.780,
        golden=golden_files("MXNetSeg/SwiftResNet_resnet18"),
    ),
    Preset(
        "swiftresnet_pyramid_resnet18_mxnetseg",
        _two_scales(),
        PAPER,
        ORIGINAL.format("SwiftResNetPr"),
        12.235,
        golden=golden_files("MXNetSeg/SwiftResNetPr_resnet18"),
    ),
    Preset("swiftresnet_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

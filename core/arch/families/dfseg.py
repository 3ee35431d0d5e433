"""DF-Seg: pyramid pooling and two fusions on a DF network (Li et al., arXiv:1903.03777)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.dfnet import DFNetSpec, df1, df2
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import DropoutSpec, FCNHeadSpec, PyramidSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "Partial Order Pruning: for Best Speed/Accuracy Trade-off in Neural Architecture Search, arXiv:1903.03777"
DROPOUT = DropoutSpec(p=0.1, unit="channel")


@dataclass(frozen=True)
class DFSegSpec(EncoderDecoderSpec):
    """Pyramid pooling of the deepest map, fused with two shallower ones, and an FCN head.

    stages: of the backbone, deepest first. The pyramid's concatenation is reduced by a 1x1 convolution with
    `reduce_padding` zeros around (with 1 its map grows by two rows and columns), whose dropout is `reduce_dropout`.
    Each map is convolved 1x1 to `width`; a fusion resizes the deeper one, concatenates and convolves 3x3. None of those
    has a norm or an activation.
    """

    arch: ClassVar[str] = "dfseg"

    backbone: BackboneSpec = field(default_factory=df1)
    stages: tuple[str, ...] = ("stage5", "stage4", "stage3")
    pyramid: PyramidSpec = PyramidSpec(width=128, act="none", input_first=False)
    reduce_padding: int = 1
    reduce_dropout: DropoutSpec = DROPOUT
    width: int = 128
    head: FCNHeadSpec = FCNHeadSpec(width=128, bias=True, dropout=DROPOUT)

    def decoder_inventory(self, out: Inventory) -> None:
        deepest, *shallower = (self.backbone.channels(stage) for stage in self.stages)
        self.pyramid.inventory(out, "pyramid", deepest)
        out.conv_norm_act("reduce", self.pyramid.out_channels(deepest), self.width, 1)
        for i, channels in enumerate((self.width, *shallower)):
            out.conv(f"laterals.{i}", channels, self.width, 1, bias=True)
        for i in range(len(shallower)):
            out.conv(f"fusions.{i}", 2 * self.width, self.width, 3)
        self.head.inventory(out, "head", self.width, self.num_classes)

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return self.pyramid.smallest

    def narrow(self) -> DFSegSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            pyramid=dataclasses.replace(self.pyramid, width=8),
            width=8,
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _tiny() -> DFSegSpec:
    return DFSegSpec(
        backbone=DFNetSpec(stem_widths=(8, 8), widths=(8, 16, 24, 32), blocks=(1, 1, 1, 1)),
        pyramid=PyramidSpec(width=8, act="none", input_first=False),
        width=16,
        head=FCNHeadSpec(width=16, bias=True, dropout=DROPOUT),
    )


FAST_SEG = "Fast_Seg, libs.models.DFSegNet.dfnetv{}seg"

PRESETS = [
    # The originals' own counts (9.734, 19.188) hold the unused 1000-class layer `backbone.fc` of 0.513 M.
    Preset("dfseg_df1", DFSegSpec(), PAPER, FAST_SEG.format(1), 9.221, golden=golden_files("Fast_Seg/dfnetv1seg")),
    Preset(
        "dfseg_df2",
        DFSegSpec(backbone=df2(), stages=("stage7", "stage5", "stage3")),
        PAPER,
        FAST_SEG.format(2),
        18.675,
        golden=golden_files("Fast_Seg/dfnetv2seg"),
    ),
    Preset("dfseg_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

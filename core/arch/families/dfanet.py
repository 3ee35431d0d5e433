"""DFANet: deep feature aggregation over three runs of XceptionA (Li et al., arXiv:1904.02216), as Fast_Seg has it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.xception_a import XceptionASpec
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import DropoutSpec, FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads, require_sides
from core.errors import SpecError

PAPER = "DFANet: Deep Feature Aggregation for Real-Time Semantic Segmentation, arXiv:1904.02216"


@dataclass(frozen=True)
class DFANetSpec(EncoderDecoderSpec):
    """The backbone, two more stages like it without a stem, and a decoder that adds up what all of them found.

    A stage takes the attention's map of the stage before, enlarged by 4 (the map `context1`, `context2` that auxiliary
    heads tap), and the maps of the stage before: its encoders see one of those in front of what the encoder before
    gave. Decoder: 1x1 of each stage's first encoder to `width`, enlarged to 1/4, summed, 1x1; plus 1x1 of each stage's
    attention, enlarged; classifier. All factors are whole numbers, hence sides in multiples of 64.
    """

    arch: ClassVar[str] = "dfanet"
    classifiers: ClassVar[tuple[str, ...]] = ("classifier.weight",)

    backbone: XceptionASpec = field(default_factory=XceptionASpec)
    stages: int = 3
    width: int = 32
    auxiliary: tuple[FCNHeadSpec, ...] = tuple(
        FCNHeadSpec(tap=tap, width=192, bias=True, dropout=DropoutSpec(p=0.1, unit="channel"))
        for tap in ("context1", "context2")
    )

    def tap_channels(self, tap: str) -> int:
        taps = [f"context{i}" for i in range(1, self.stages)]
        if tap not in taps:
            raise SpecError(f"DFANet has no feature {tap!r}: {', '.join(taps)}")
        return self.backbone.channels("attention")

    def stage_inputs(self) -> tuple[int, ...]:
        """Channels that the encoders of a stage after the first see."""
        widths = self.backbone.widths
        return tuple(width + before for width, before in zip(widths, (widths[-1], *widths)))

    def decoder_inventory(self, out: Inventory) -> None:
        for i in range(1, self.stages):
            with out.scope(f"stages.{i - 1}"):
                self.backbone.encode(out, self.stage_inputs())
        for i in range(self.stages):
            out.conv_norm_act(f"detail.{i}", self.backbone.widths[0], self.width, 1)
        out.conv_norm_act("fuse", self.width, self.width, 1)
        for i in range(self.stages):
            out.conv_norm_act(f"context.{i}", self.backbone.channels("attention"), self.width, 1)
        out.conv("classifier", self.width, self.num_classes, 1, bias=True, classifier=True)

    @property
    def least(self) -> int:
        return self.multiple

    @property
    def multiple(self) -> int:
        return 16 << (self.stages - 1)

    def check_input(self, height: int, width: int) -> None:
        require_sides(height, width, least=self.least, multiple=self.multiple, why=" (the deepest stage's stride)")

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return 1, 1

    def narrow(self) -> DFANetSpec:
        return dataclasses.replace(
            self, backbone=self.backbone.narrow(), width=8, auxiliary=narrow_heads(self.auxiliary)
        )


PRESETS = [
    Preset(
        "dfanet_fastseg",
        DFANetSpec(),
        PAPER,
        "Fast_Seg, libs.models.DFANet.dfanet",
        golden=golden_files("Fast_Seg/DFANet"),
    ),
    Preset("dfanet_tiny", DFANetSpec().narrow(), PAPER, "of this project: for tests and demonstrations"),
]

"""DABNet, the densely aggregated bilateral network (github.com/isyangshu/DABNet; in its logs `BiSeNetV1_Res`).

Not the network of depth-wise asymmetric bottlenecks (arXiv:1907.11357) of the same name.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.efficientnet import efficientnet, efficientnet_tiny
from core.arch.backbones.resnet import ResNetSpec, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import ChannelGateSpec, DropoutSpec, FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads, require_sides

PAPER = "DABNet: densely aggregated bilateral network, github.com/isyangshu/DABNet"


@dataclass(frozen=True)
class DABNetSpec(EncoderDecoderSpec):
    """Backbone with a spatial interaction module after every stage, a spatial path beside it, fusion at 1/8, head.

    patch: side of the modules' windows, pooled to one place of their low path. interaction_widths: inner channels of
    the four modules. spatial_widths: of the spatial path at 1/4 and at 1/8. context_width: of the maps that go up from
    1/32 and 1/16, `context16` and `context8`, which auxiliary heads tap. The spatial path's last width is the same.
    fusion_width: of the fused map; its gate is that of the deepest maps but for a ReLU before the sigmoid.
    """

    arch: ClassVar[str] = "dabnet"

    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    align_corners: bool = False
    patch: int = 2
    interaction_widths: tuple[int, int, int, int] = (32, 64, 64, 64)
    spatial_widths: tuple[int, int] = (64, 64)
    context_width: int = 128
    fusion_width: int = 256
    refine_gate: ChannelGateSpec = ChannelGateSpec(acts=("none",))
    fusion_gate: ChannelGateSpec = ChannelGateSpec(acts=("relu",))
    head: FCNHeadSpec = field(default_factory=FCNHeadSpec)
    auxiliary: tuple[FCNHeadSpec, ...] = ()

    def __post_init__(self) -> None:
        if self.patch < 1:
            raise ValueError(f"patch={self.patch}: at least 1")

    def tap_channels(self, tap: str) -> int:
        return self.context_width if tap in ("context8", "context16") else super().tap_channels(tap)

    def decoder_inventory(self, out: Inventory) -> None:
        channels = [self.backbone.channels(stage) for stage in self.backbone.stages()[:4]]
        for i, (outer, inner) in enumerate(zip(channels, self.interaction_widths)):
            with out.scope(f"interactions.{i}"):
                self._interaction(out, outer, inner)
        self._spatial_path(out, channels)
        width = self.context_width
        for name, deep in (("refine32", channels[3]), ("refine16", channels[2])):
            with out.scope(name):
                out.conv_norm_act("conv", deep, width, 3)
                self.refine_gate.inventory(out, "gate", width)
        for name in ("up32", "up16"):
            out.conv_norm_act(name, width, width, 3)
        with out.scope("fusion"):
            out.conv_norm_act("conv", 2 * width, self.fusion_width, 1)
            self.fusion_gate.inventory(out, "gate", self.fusion_width)
        self.head.inventory(out, "head", self.fusion_width, self.num_classes)

    def _interaction(self, out: Inventory, outer: int, inner: int) -> None:
        out.conv_norm_act("high", outer, inner, 3, bias=True)
        out.conv_norm_act("patches", outer * self.patch**2, inner, 3, bias=True)
        for name, (first, second, width), kernel in (
            ("low", (inner, outer, inner), 1),
            ("exchange_high", (inner, inner, inner), 3),
            ("exchange_low", (inner, inner, inner), 3),
            ("out", (inner, inner, outer), 3),
        ):
            with out.scope(name):
                out.conv("first", first, width, kernel, bias=True)
                out.conv("second", second, width, kernel, bias=True)
                out.batch_norm("bn", width, after=("first", "second"))

    def _spatial_path(self, out: Inventory, channels: list[int]) -> None:
        (quarter, eighth), half = self.spatial_widths, self.backbone.half_channels
        out.conv_norm_act("spatial.0", self.backbone.in_channels + half, quarter, 3)
        out.conv_norm_act("spatial.1", quarter, eighth, 3)
        out.conv_norm_act("spatial.2", eighth, self.context_width, 1)
        out.conv_norm_act("lateral.0", channels[0], quarter, 3)
        out.conv_norm_act("lateral.1", channels[1], eighth, 3)

    @property
    def least(self) -> int:
        return self.multiple

    @property
    def multiple(self) -> int:
        return 32 * self.patch

    def check_input(self, height: int, width: int) -> None:
        why = f" (five halvings and windows of {self.patch})"
        require_sides(height, width, least=self.least, multiple=self.multiple, why=why)

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        if self.refine_gate.norm or self.fusion_gate.norm:
            return 1, 1
        stride = 32 * self.patch
        return height // stride, width // stride

    def narrow(self) -> DABNetSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            interaction_widths=(8, 8, 8, 8),
            spatial_widths=(8, 8),
            context_width=8,
            fusion_width=16,
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


_DROPOUT = DropoutSpec(p=0.1, unit="channel")


def _heads(width: int, auxiliary: int) -> dict[str, object]:
    return {
        "head": FCNHeadSpec(width=width, dropout=_DROPOUT),
        "auxiliary": tuple(
            FCNHeadSpec(tap=tap, width=auxiliary, dropout=_DROPOUT) for tap in ("context8", "context16")
        ),
    }


def _resnet18(patch: int) -> DABNetSpec:
    backbone = ResNetSpec(depth=18, stem_widths=(32, 32, 64), output_stride=32)
    return DABNetSpec(backbone=backbone, patch=patch, **_heads(256, 64))  # type: ignore[arg-type]


def _efficientnet_b1() -> DABNetSpec:
    return DABNetSpec(
        backbone=efficientnet(1),
        interaction_widths=(24, 32, 32, 32),
        spatial_widths=(24, 64),
        **_heads(256, 64),  # type: ignore[arg-type]
    )


def _tiny(backbone: BackboneSpec) -> DABNetSpec:
    """The gates of the two deepest maps without norms: over two pictures' nearly equal means these amplify the float32
    rounding of gradients beyond what can be told from a fault; the fusion's shows that the norms are there.
    """
    return DABNetSpec(
        backbone=backbone,
        interaction_widths=(16, 16, 16, 16),
        spatial_widths=(16, 16),
        context_width=16,
        fusion_width=32,
        refine_gate=ChannelGateSpec(acts=("none",), norm=False),
        **_heads(16, 8),  # type: ignore[arg-type]
    )


ORIGINAL = "DABNet, {}"
TESTS = "of this project: for tests and demonstrations"
_PUBLISHED = {1: 16.180, 2: 17.784, 4: 24.198, 8: 49.855, 16: 152.485}

PRESETS = [
    *[
        Preset(
            f"dabnet_resnet18_p{patch}",
            _resnet18(patch),
            PAPER,
            ORIGINAL.format(f"configs/dabnet/dabnet_r18-d32_…_cityscapes.py, patches of {patch} (P{patch})"),
            count,
            golden=golden_files(f"DABNet/dabnet_r18_p{patch}"),
        )
        for patch, count in _PUBLISHED.items()
    ],
    Preset(
        "dabnet_efficientnet_b1",
        _efficientnet_b1(),
        PAPER,
        ORIGINAL.format("configs/dabnet/dabnet_eb_…_cityscapes.py (E)"),
        9.003,
        golden=golden_files("DABNet/dabnet_e"),
    ),
    Preset("dabnet_tiny", _tiny(resnet_tiny(output_stride=32)), PAPER, TESTS),
    Preset("dabnet_efficientnet_tiny", _tiny(efficientnet_tiny()), PAPER, TESTS),
]

"""Fast-SCNN: learning to down-sample, global features, fusion (Poudel et al., arXiv:1902.04502)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from core.arch.activations import Activation
from core.arch.golden import golden_files
from core.arch.inventory import InitSpec, Inventory
from core.arch.parts import DropoutSpec, FCNHeadSpec, NormSpec, Padding, PyramidSpec
from core.arch.spec import Preset, Spec, narrow_heads
from core.errors import SpecError

PAPER = "Fast-SCNN: Fast Semantic Segmentation Network, arXiv:1902.04502"


@dataclass(frozen=True)
class FastSCNNSpec(Spec):
    """Three strided convolutions to 1/8, three groups of inverted residuals to 1/32, pyramid, fusion at 1/8, head.

    stem_padding: of the first 3x3 convolution, which strides. separable_act: activation between the
    depthwise and the pointwise convolution of a separable one; separable_bias: biases in both. fusion_resize_corners:
    align_corners of the resize of the 1/32 map. Auxiliary heads tap `detail` (1/8) or `context` (1/32, after pyramid).
    """

    arch: ClassVar[str] = "fast_scnn"

    in_channels: int = 3
    down_widths: tuple[int, int, int] = (32, 48, 64)
    stem_padding: Padding | Literal["none"] = "none"
    stem_bias: bool = False
    separable_act: Activation = "relu"
    separable_bias: bool = False
    group_widths: tuple[int, ...] = (64, 96, 128)
    group_strides: tuple[int, ...] = (2, 2, 1)
    group_blocks: tuple[int, ...] = (3, 3, 3)
    expansion: int = 6
    pyramid: PyramidSpec = PyramidSpec(width=32)
    context_width: int = 128
    context_kernel: int = 1
    context_bias: bool = False
    fusion_width: int = 128
    fusion_bias: bool = True
    fusion_align_corners: bool = True
    dropout: DropoutSpec = DropoutSpec(p=0.1)
    norm: NormSpec = field(default_factory=NormSpec)
    init: InitSpec = field(default_factory=InitSpec)

    def __post_init__(self) -> None:
        if not len(self.group_widths) == len(self.group_strides) == len(self.group_blocks):
            raise ValueError("group_widths, group_strides and group_blocks must have the same length")

    @property
    def head_norm(self) -> NormSpec:
        return self.norm

    def tap_channels(self, tap: str) -> int:
        taps = {"detail": self.down_widths[-1], "context": self.context_width}
        if tap not in taps:
            raise SpecError(f"Fast-SCNN has no feature {tap!r}: {', '.join(taps)}")
        return taps[tap]

    def _separable(self, out: Inventory, name: str, channels: int, width: int) -> None:
        with out.scope(name):
            out.conv_norm_act("depthwise", channels, channels, 3, groups=channels, bias=self.separable_bias)
            out.conv_norm_act("pointwise", channels, width, 1, bias=self.separable_bias)

    def inventory(self) -> Inventory:
        out = Inventory(self.init, self.norm.eps)
        first, second, detail = self.down_widths
        with out.scope("detail"):
            out.conv_norm_act("0", self.in_channels, first, 3, bias=self.stem_bias)
            self._separable(out, "1", first, second)
            self._separable(out, "2", second, detail)
        channels = detail
        with out.scope("context"):
            for group, (width, blocks) in enumerate(zip(self.group_widths, self.group_blocks)):
                for i in range(blocks):
                    inner = channels * self.expansion
                    with out.scope(f"groups.{group}.{i}"):
                        out.conv_norm_act("expand", channels, inner, 1)
                        out.conv_norm_act("depthwise", inner, inner, 3, groups=inner)
                        out.conv_norm_act("project", inner, width, 1)
                    channels = width
            self.pyramid.inventory(out, "pyramid", channels)
            pooled = self.pyramid.out_channels(channels)
            out.conv_norm_act("out", pooled, self.context_width, self.context_kernel, bias=self.context_bias)
        with out.scope("fusion"):
            width = self.fusion_width
            out.conv_norm_act("depthwise", self.context_width, self.context_width, 3, groups=self.context_width)
            out.conv_norm_act("context", self.context_width, width, 1, bias=self.fusion_bias)
            out.conv_norm_act("detail", detail, width, 1, bias=self.fusion_bias)
        with out.scope("head"):
            self._separable(out, "convs.0", width, width)
            self._separable(out, "convs.1", width, width)
            out.conv("classifier", width, self.num_classes, 1, bias=True, classifier=True)
        for i, head in enumerate(self.auxiliary):
            head.inventory(out, f"auxiliary.{i}", self.tap_channels(head.tap), self.num_classes)
        return out

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return self.pyramid.smallest

    def narrow(self) -> FastSCNNSpec:
        return dataclasses.replace(
            self,
            down_widths=(8, 8, 8),
            group_widths=(8, 16, 16),
            group_blocks=(1, 1, 1),
            pyramid=dataclasses.replace(self.pyramid, width=8),
            context_width=16,
            fusion_width=16,
            auxiliary=narrow_heads(self.auxiliary),
        )


def _mmseg() -> FastSCNNSpec:
    dropout = DropoutSpec(p=0.1, unit="channel")
    return FastSCNNSpec(
        align_corners=False,
        stem_padding="symmetric",
        separable_act="none",
        pyramid=PyramidSpec(width=32, align_corners=False),
        context_kernel=3,
        fusion_bias=False,
        fusion_align_corners=False,
        dropout=dropout,
        auxiliary=(
            FCNHeadSpec(tap="context", width=32, dropout=dropout),
            FCNHeadSpec(tap="detail", width=32, dropout=dropout),
        ),
    )


def _paddleseg() -> FastSCNNSpec:
    return FastSCNNSpec(
        align_corners=False,
        stem_padding="same",
        stem_bias=True,
        separable_act="none",
        separable_bias=True,
        pyramid=PyramidSpec(bins=(6, 3, 2, 1), width=32, bias=True),
        context_kernel=3,
        context_bias=True,
        fusion_align_corners=False,
        auxiliary=(FCNHeadSpec(tap="detail", width=32, bias=True),),
    )


def _tiny() -> FastSCNNSpec:
    return FastSCNNSpec(
        down_widths=(8, 12, 16),
        group_widths=(16, 24, 32),
        group_blocks=(1, 1, 1),
        pyramid=PyramidSpec(width=8),
        context_width=32,
        fusion_width=32,
        auxiliary=(FCNHeadSpec(tap="detail", width=16),),
    )


FAST_SEG = "Fast_Seg, libs.models.FastSCNN.FastSCNN(aux={0}); GluonCV, FastSCNN(aux={0})"
_AUX = FCNHeadSpec(tap="detail", width=64, dropout=DropoutSpec(p=0.1))

PRESETS = [
    Preset(
        "fast_scnn",
        FastSCNNSpec(),
        PAPER,
        FAST_SEG.format(False),
        1.138,
        golden=golden_files("Fast_Seg/FastSCNN", "GluonCV/FastSCNN"),
    ),
    Preset(
        "fast_scnn_aux",
        FastSCNNSpec(auxiliary=(_AUX,)),
        PAPER,
        FAST_SEG.format(True),
        1.176,
        golden=golden_files("Fast_Seg/FastSCNN_aux", "GluonCV/FastSCNN_aux"),
    ),
    Preset(
        "fast_scnn_mmseg",
        _mmseg(),
        PAPER,
        "mmseg 0.19, configs/_base_/models/fast_scnn.py",
        1.457,
        golden=golden_files("mmseg/fast_scnn"),
    ),
    Preset(
        "fast_scnn_paddleseg",
        _paddleseg(),
        PAPER,
        "PaddleSeg, FastSCNN(enable_auxiliary_loss=True)",
        1.42,
        golden=golden_files("PaddleSeg/fastscnn"),
    ),
    Preset("fast_scnn_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

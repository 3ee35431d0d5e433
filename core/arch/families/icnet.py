"""ICNet: an image cascade of three resolutions (Zhao et al., arXiv:1704.08545)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.activations import Activation
from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import ResNetSpec, resnet_deep, resnet_tiny
from core.arch.golden import GoldenFile, golden_files
from core.arch.inventory import Inventory
from core.arch.parts import NO_DROPOUT, DropoutSpec, FCNHeadSpec, PyramidSpec
from core.arch.spec import EncoderDecoderSpec, OutputSpec, Preset, narrow_heads

PAPER = "ICNet for Real-Time Semantic Segmentation on High-Resolution Images, arXiv:1704.08545"


@dataclass(frozen=True)
class ICNetSpec(EncoderDecoderSpec):
    """The picture halved to layer2 of a ResNet, that halved again to layer4 and pyramid pooling, three strided
    convolutions on the whole picture, and two cascade fusions.

    A fusion resizes the low map to the high one's size, convolves it 3x3 of dilation 2, the high one 1x1, both with
    batch norm and `fusion_act`, and adds: ReLU. Auxiliary heads tap its low branch before the sum, `low24` (1/16) or
    `low12` (1/8). Cascade label guidance: the cost of the logits has the weight `main_weight`, that of each auxiliary
    head its `loss_weight`; the paper's are 1, 0.4 (1/8) and 0.16 (1/16). align_corners is that of all resizes.
    """

    arch: ClassVar[str] = "icnet"

    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    detail_widths: tuple[int, ...] = (32, 32, 64)
    pyramid: PyramidSpec = PyramidSpec()
    reduce_width: int = 512
    reduce_dropout: DropoutSpec = NO_DROPOUT
    branch_width: int = 256
    fusion_width: int = 128
    fusion_act: Activation = "none"
    head: FCNHeadSpec = FCNHeadSpec(width=0, classifier_bias=False, upsample=2, dropout=NO_DROPOUT)
    auxiliary: tuple[FCNHeadSpec, ...] = ()
    main_weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.backbone, ResNetSpec):
            raise ValueError(f"ICNet's branches share a ResNet, not a {self.backbone.family}")

    def outputs(self) -> tuple[OutputSpec, ...]:
        main, *heads = super().outputs()
        return (dataclasses.replace(main, weight=self.main_weight), *heads)

    def tap_channels(self, tap: str) -> int:
        return self.fusion_width if tap in ("low24", "low12") else super().tap_channels(tap)

    def decoder_inventory(self, out: Inventory) -> None:
        detail = self.backbone.in_channels
        for i, width in enumerate(self.detail_widths):
            out.conv_norm_act(f"detail.{i}", detail, width, 3)
            detail = width
        deep = self.backbone.channels("layer4")
        self.pyramid.inventory(out, "pyramid", deep)
        out.conv_norm_act("reduce", self.pyramid.out_channels(deep), self.reduce_width, 3)
        out.conv_norm_act("coarse", self.reduce_width, self.branch_width, 1)
        out.conv_norm_act("middle", self.backbone.channels("layer2"), self.branch_width, 1)
        fusions = {"fusion24": (self.branch_width, self.branch_width), "fusion12": (self.fusion_width, detail)}
        for name, (low, high) in fusions.items():
            with out.scope(name):
                out.conv_norm_act("low", low, self.fusion_width, 3, act=self.fusion_act)
                out.conv_norm_act("high", high, self.fusion_width, 1, act=self.fusion_act)
        self.head.inventory(out, "head", self.fusion_width, self.num_classes)

    @property
    def least(self) -> int:
        return 32

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return self.pyramid.smallest

    def narrow(self) -> ICNetSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            detail_widths=(8,) * len(self.detail_widths),
            pyramid=dataclasses.replace(self.pyramid, width=8),
            reduce_width=16,
            branch_width=16,
            fusion_width=8,
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _cascade(*weights: float) -> tuple[FCNHeadSpec, ...]:
    """Classifiers without bias on the low branches, the finer one first."""
    return tuple(
        FCNHeadSpec(tap=tap, width=0, classifier_bias=False, dropout=NO_DROPOUT, loss_weight=weight)
        for tap, weight in zip(("low12", "low24"), weights)
    )


def _fast_seg() -> ICNetSpec:
    return ICNetSpec(
        backbone=resnet_deep(50),
        pyramid=PyramidSpec(act="none", input_first=False),
        reduce_dropout=DropoutSpec(p=0.1, unit="channel"),
        auxiliary=_cascade(0.4, 0.16),
    )


def _mmseg() -> ICNetSpec:
    dropout = DropoutSpec(p=0.1, unit="channel")
    return ICNetSpec(
        align_corners=False,
        backbone=ResNetSpec(depth=50, stem_widths=(32, 32, 64), stem_pool_ceil=True),
        pyramid=PyramidSpec(input_first=False, align_corners=False),
        fusion_act="relu",
        head=FCNHeadSpec(width=128, dropout=NO_DROPOUT),
        auxiliary=(
            FCNHeadSpec(tap="low24", width=128, dropout=dropout),
            FCNHeadSpec(tap="low12", width=128, dropout=dropout),
        ),
    )


def _gluoncv() -> ICNetSpec:
    # Its loss has the weights 1 (full-size scores), 0.4 (the same at a quarter), 0.4 and 1; the first two are one map.
    return ICNetSpec(reduce_dropout=DropoutSpec(p=0.1), auxiliary=_cascade(0.4, 1.0), main_weight=1.4)


def _tiny() -> ICNetSpec:
    return ICNetSpec(
        backbone=resnet_tiny(),
        detail_widths=(8, 8, 16),
        pyramid=PyramidSpec(width=8, act="none", input_first=False),
        reduce_width=32,
        branch_width=16,
        fusion_width=16,
        auxiliary=_cascade(0.4, 0.16),
    )


# The full-size scores, the same at a quarter of the sides, and the two steps of the cascade.
_FOUR = ("main@x4", "main", "auxiliary.0", "auxiliary.1")

PRESETS = [
    Preset(
        "icnet_resnet50_fastseg",
        _fast_seg(),
        PAPER,
        "Fast_Seg, libs.models.ICNet.icnet",
        47.489,
        golden=(GoldenFile("Fast_Seg", "ICNet", eval=_FOUR, train=_FOUR),),
    ),
    Preset(
        "icnet_resnet50_mmseg",
        _mmseg(),
        PAPER,
        "mmseg 0.19, configs/_base_/models/icnet_r50-d8.py",
        47.828,
        golden=golden_files("mmseg/icnet_r50"),
    ),
    Preset(
        "icnet_resnet50_gluoncv",
        _gluoncv(),
        PAPER,
        "GluonCV, ICNet(backbone='resnet50', aux=True)",
        golden=(GoldenFile("GluonCV", "ICNet_resnet50", eval=_FOUR, train=_FOUR),),
    ),
    Preset("icnet_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

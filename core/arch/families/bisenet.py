"""BiSeNet: a spatial path beside a context path, and their fusion (Yu et al., arXiv:1808.00897)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import ResNetSpec, resnet_7x7, resnet_tiny
from core.arch.backbones.xception39 import Xception39Spec
from core.arch.golden import GoldenFile, golden_files
from core.arch.inventory import Inventory
from core.arch.parts import NO_DROPOUT, ChannelGateSpec, DropoutSpec, FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation, arXiv:1808.00897"
REFINED = ("refined0", "refined1")


@dataclass(frozen=True)
class ContextSpec:
    """The context path on the backbone's two deepest maps, each refined (3x3 to `width`, times its gate).

    fusion `cascade`: the deepest map's global feature is added to it, the sum resized to the shallower map and
    convolved (3x3), that added to the shallower map, and so once more to the spatial path's map. fusion `sum`: all
    three are resized to the spatial path's map, added and convolved once.
    resize: of the maps; `align_corners` is of the bilinear one.
    """

    width: int = 128
    gate: ChannelGateSpec = ChannelGateSpec()
    fusion: Literal["cascade", "sum"] = "cascade"
    resize: Literal["bilinear", "nearest"] = "bilinear"
    align_corners: bool = True

    @property
    def refinements(self) -> int:
        """Number of convolutions after sums."""
        return 2 if self.fusion == "cascade" else 1

    def inventory(self, out: Inventory, name: str, deep: int, shallow: int) -> None:
        with out.scope(name):
            out.conv_norm_act("globe", deep, self.width, 1)
            for i, channels in enumerate((deep, shallow)):
                with out.scope(f"arms.{i}"):
                    out.conv_norm_act("conv", channels, self.width, 3)
                    self.gate.inventory(out, "gate", self.width)
            for i in range(self.refinements):
                out.conv_norm_act(f"refines.{i}", self.width, self.width, 3)


@dataclass(frozen=True)
class BiSeNetSpec(EncoderDecoderSpec):
    """Spatial path on the picture (1/8), context path on the backbone, fusion (f + f * gate), FCN head.

    spatial_widths, _kernels, _strides: of the spatial path's convolutions. Auxiliary heads tap the backbone's stages or
    the context path's maps after its convolutions, `refined0` (and in a cascade `refined1`, at 1/8). Their costs
    have the weight 1, as in the paper.
    """

    arch: ClassVar[str] = "bisenet"

    backbone: BackboneSpec = field(default_factory=lambda: resnet_7x7(18, output_stride=32))
    spatial_widths: tuple[int, ...] = (64, 64, 64, 128)
    spatial_kernels: tuple[int, ...] = (7, 3, 3, 1)
    spatial_strides: tuple[int, ...] = (2, 2, 2, 1)
    context: ContextSpec = ContextSpec()
    fusion_width: int = 256
    fusion_gate: ChannelGateSpec = ChannelGateSpec(acts=("relu", "none"))
    head: FCNHeadSpec = FCNHeadSpec(width=64, dropout=NO_DROPOUT)
    auxiliary: tuple[FCNHeadSpec, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.spatial_widths) == len(self.spatial_kernels) == len(self.spatial_strides):
            raise ValueError("spatial_widths, spatial_kernels and spatial_strides must have the same length")

    def tap_channels(self, tap: str) -> int:
        return self.context.width if tap in REFINED[: self.context.refinements] else super().tap_channels(tap)

    def decoder_inventory(self, out: Inventory) -> None:
        channels = self.backbone.in_channels
        for i, (width, kernel) in enumerate(zip(self.spatial_widths, self.spatial_kernels)):
            out.conv_norm_act(f"spatial.{i}", channels, width, kernel)
            channels = width
        shallow, deep = (self.backbone.channels(stage) for stage in self.backbone.stages()[-2:])
        self.context.inventory(out, "context", deep, shallow)
        with out.scope("fusion"):
            out.conv_norm_act("conv", channels + self.context.width, self.fusion_width, 1)
            self.fusion_gate.inventory(out, "gate", self.fusion_width)
        self.head.inventory(out, "head", self.fusion_width, self.num_classes)

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return 1, 1

    def narrow(self) -> BiSeNetSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            spatial_widths=(8,) * len(self.spatial_widths),
            context=dataclasses.replace(self.context, width=8),
            fusion_width=16,
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _auxiliary(tap: str, width: int, *, dropout: DropoutSpec = NO_DROPOUT, upsample: int = 1) -> FCNHeadSpec:
    return FCNHeadSpec(tap=tap, width=width, dropout=dropout, upsample=upsample, loss_weight=1.0)


def _fast_seg() -> BiSeNetSpec:
    return BiSeNetSpec(
        backbone=ResNetSpec(depth=18, output_stride=32),
        fusion_gate=ChannelGateSpec(acts=("relu", "none"), norm=False),
        auxiliary=(_auxiliary("refined0", 128, upsample=2), _auxiliary("refined1", 128)),
    )


def _mmseg() -> BiSeNetSpec:
    dropout = DropoutSpec(p=0.1, unit="channel")
    return BiSeNetSpec(
        align_corners=False,
        context=ContextSpec(resize="nearest"),
        fusion_gate=ChannelGateSpec(acts=("relu",)),
        head=FCNHeadSpec(width=256, dropout=dropout),
        auxiliary=(_auxiliary("refined1", 64, dropout=dropout), _auxiliary("refined0", 64, dropout=dropout)),
    )


def _mxnetseg(backbone: BackboneSpec) -> BiSeNetSpec:
    dropout = DropoutSpec(p=0.1)
    shallow, deep = backbone.stages()[-2:]
    return BiSeNetSpec(
        backbone=backbone,
        context=ContextSpec(fusion="sum"),
        head=FCNHeadSpec(width=256, dropout=NO_DROPOUT),
        auxiliary=(_auxiliary(deep, 256, dropout=dropout), _auxiliary(shallow, 256, dropout=dropout)),
    )


def _paddleseg() -> BiSeNetSpec:
    return BiSeNetSpec(
        backbone=ResNetSpec(
            depth=18, stem_widths=(32, 32, 64), first_block="stage", average_downsample=True, project_first=True
        ),
        context=ContextSpec(gate=ChannelGateSpec(acts=("relu",))),
        fusion_gate=ChannelGateSpec(acts=("relu", "relu")),
        auxiliary=(_auxiliary("refined0", 128), _auxiliary("refined1", 128)),
    )


def _tiny() -> BiSeNetSpec:
    return BiSeNetSpec(
        backbone=resnet_tiny(output_stride=32),
        spatial_widths=(8, 8, 8, 16),
        context=ContextSpec(width=16),
        fusion_width=32,
        head=FCNHeadSpec(width=16, dropout=NO_DROPOUT),
        auxiliary=(_auxiliary("refined0", 16), _auxiliary("refined1", 16)),
    )


_MAPS = ("context.refines.0", "context.refines.1", "fusion")
_HEADS = ("auxiliary.0", "auxiliary.1", "main")

PRESETS = [
    # The original's is_training=False builds it without auxiliary heads (13.043 M) and returns log-probabilities;
    # True returns the maps that its loss gives to the heads.
    Preset(
        "bisenet_resnet18_fastseg",
        _fast_seg(),
        PAPER,
        "Fast_Seg, libs.models.BiSegNet.BiSeNet",
        13.343,
        golden=(
            GoldenFile("Fast_Seg", "BiSeNet", eval=("log_softmax(main)",), train=("log_softmax(main)",)),
            GoldenFile("Fast_Seg", "BiSeNet_is_training", eval=_MAPS, train=_MAPS),
            GoldenFile("Fast_Seg", "BiSeNet_is_training_heads", eval=_HEADS, train=_HEADS),
        ),
    ),
    Preset(
        "bisenet_resnet18_mmseg",
        _mmseg(),
        PAPER,
        "mmseg 0.19, configs/_base_/models/bisenetv1_r18-d32.py",
        13.426,
        golden=golden_files("mmseg/bisenetv1_r18"),
    ),
    Preset(
        "bisenet_resnet18_mxnetseg",
        _mxnetseg(resnet_7x7(18, output_stride=32)),
        PAPER,
        "MXNetSeg, BiSeNetR(backbone='resnet18', aux=True)",
        14.974,
        published_mxnetseg=13.2077,
        golden=golden_files("MXNetSeg/BiSeNetR_resnet18"),
    ),
    Preset(
        "bisenet_xception39_mxnetseg",
        _mxnetseg(Xception39Spec()),
        PAPER,
        "MXNetSeg, BiSeNetX(backbone='xception39', aux=True)",
        2.735,
        golden=golden_files("MXNetSeg/BiSeNetX"),
    ),
    Preset(
        "bisenet_resnet18_vd_paddleseg",
        _paddleseg(),
        PAPER,
        "PaddleSeg, BiseNetV1(backbone=ResNet18_vd(output_stride=8))",
        13.22,
        golden=(
            GoldenFile(
                "PaddleSeg",
                "bisenetv1_resnet18_vd",
                eval=("main@x8",),
                train=("auxiliary.0@x8", "auxiliary.1@x8", "main@x8"),
            ),
        ),
    ),
    Preset("bisenet_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

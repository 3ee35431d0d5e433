"""Semantic FPN: a feature pyramid, its levels brought to one size and summed (Kirillov et al., arXiv:1901.02446)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.efficientnet import efficientnet_lite0
from core.arch.backbones.resnet import ResNetSpec, resnet_7x7, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import NO_DROPOUT, DropoutSpec, GroupNormSpec
from core.arch.spec import EncoderDecoderSpec, Preset

PAPER = "Panoptic Feature Pyramid Networks, arXiv:1901.02446"


@dataclass(frozen=True)
class SemanticFPNSpec(EncoderDecoderSpec):
    """Backbone - pyramid of `width` channels - convolutions and x2 resizes to the largest level - sum - classifier.

    neck `fused`: each stage 1x1 - batch norm - ReLU; from the deepest upwards the level above, resized bilinearly, is
    added, then 3x3 - batch norm - ReLU, which goes on upwards (MXNetSeg). `smoothed`: 1x1 with bias alone, the level
    above resized to the nearest place; the sums go on upwards, and each, the deepest too, is convolved 3x3 with bias
    beside (mmseg). `plain`: the same without that 3x3 (segmentation_models.pytorch).

    The levels' 3x3 - norm - ReLU have batch norms, or `group_norm`. A level of half the largest's size has one and a
    x2 resize, of a quarter two of each, and so on; the largest one without a resize. `any_size`: what they come to is
    resized to the largest level, so that sides need not be multiples of the deepest stride.
    """

    arch: ClassVar[str] = "semantic_fpn"

    backbone: BackboneSpec = field(default_factory=lambda: resnet_7x7(18, output_stride=32))
    neck: Literal["fused", "smoothed", "plain"] = "fused"
    width: int = 256
    level_width: int = 128
    group_norm: GroupNormSpec | None = None
    any_size: bool = False
    dropout: DropoutSpec = NO_DROPOUT

    def doublings(self) -> tuple[int, ...]:
        """How often each level is resized to twice its sides, shallowest first."""
        strides = [self.backbone.stride(stage) for stage in self.backbone.stages()]
        return tuple((stride // strides[0]).bit_length() - 1 for stride in strides)

    def decoder_inventory(self, out: Inventory) -> None:
        stages, fused = self.backbone.stages(), self.neck == "fused"
        with out.scope("neck"):
            for i, stage in enumerate(stages):
                if fused:
                    out.conv_norm_act(f"lateral.{i}", self.backbone.channels(stage), self.width, 1)
                else:
                    out.conv(f"lateral.{i}", self.backbone.channels(stage), self.width, 1, bias=True)
            for i in range(len(stages) - fused):
                if fused:
                    out.conv_norm_act(f"smooth.{i}", self.width, self.width, 3)
                elif self.neck == "smoothed":
                    out.conv(f"smooth.{i}", self.width, self.width, 3, bias=True)
        with out.scope("head"):
            for i, doublings in enumerate(self.doublings()):
                for j in range(max(doublings, 1)):
                    channels = self.level_width if j else self.width
                    if self.group_norm:
                        out.conv(f"levels.{i}.{j}.conv", channels, self.level_width, 3)
                        out.group_norm(f"levels.{i}.{j}.norm", self.level_width)
                    else:
                        out.conv_norm_act(f"levels.{i}.{j}", channels, self.level_width, 3)
            out.conv("classifier", self.level_width, self.num_classes, 1, bias=True, classifier=True)

    @property
    def least(self) -> int:
        return 32

    @property
    def multiple(self) -> int:
        return self.backbone.multiple if self.any_size else self.backbone.stride(self.backbone.deepest)

    def narrow(self) -> SemanticFPNSpec:
        norm = self.group_norm and dataclasses.replace(self.group_norm, groups=2)
        return dataclasses.replace(self, backbone=self.backbone.narrow(), width=8, level_width=8, group_norm=norm)


def _mmseg() -> SemanticFPNSpec:
    return SemanticFPNSpec(
        align_corners=False,
        backbone=ResNetSpec(depth=50, stem_widths=(32, 32, 64), output_stride=32),
        neck="smoothed",
        any_size=True,
        dropout=DropoutSpec(p=0.1, unit="channel"),
    )


def _smp() -> SemanticFPNSpec:
    return SemanticFPNSpec(
        backbone=resnet_7x7(50, output_stride=32),
        neck="plain",
        group_norm=GroupNormSpec(groups=32),
        dropout=DropoutSpec(p=0.2, unit="channel"),
    )


def _lite0() -> SemanticFPNSpec:
    """Light enough to be trained on a processor: the published backbone, and narrow levels."""
    return SemanticFPNSpec(
        align_corners=False,
        backbone=efficientnet_lite0(),
        neck="smoothed",
        width=96,
        level_width=64,
        any_size=True,
        dropout=DropoutSpec(p=0.1, unit="channel"),
    )


PRESETS = [
    Preset(
        "semantic_fpn_resnet18_mxnetseg",
        SemanticFPNSpec(),
        PAPER,
        "MXNetSeg, SemanticFPN(backbone='resnet18')",
        14.822,
        golden=golden_files("MXNetSeg/SemanticFPN_resnet18"),
    ),
    Preset(
        "semantic_fpn_resnet50_mmseg",
        _mmseg(),
        PAPER,
        "mmseg 0.19, configs/_base_/models/fpn_r50.py",
        28.498,
        golden=golden_files("mmseg/sem_fpn_r50"),
    ),
    Preset(
        "semantic_fpn_resnet50_smp",
        _smp(),
        PAPER,
        "segmentation_models.pytorch 0.6, FPN('resnet50')",
        golden=golden_files("smp/fpn_resnet50"),
    ),
    Preset(
        "semantic_fpn_efficientnet_lite0",
        _lite0(),
        PAPER,
        "none: the paper's decoder, narrow, on EfficientNet-Lite0; trained in configs/camvid",
    ),
    Preset(
        "semantic_fpn_tiny",
        SemanticFPNSpec(
            backbone=resnet_tiny(output_stride=32), neck="smoothed", width=16, level_width=16, any_size=True
        ),
        PAPER,
        "of this project: for tests and demonstrations",
    ),
]

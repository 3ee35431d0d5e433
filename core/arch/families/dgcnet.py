"""DGCNet, also DualSeg: dual graph convolutions over places and over channels (Zhang et al., arXiv:1909.06121)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import resnet_deep, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import NO_DROPOUT, DropoutSpec, FCNHeadSpec, NormSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "Dual Graph Convolutional Network for Semantic Segmentation, arXiv:1909.06121"


@dataclass(frozen=True)
class DualGCNSpec:
    """The dual graph convolution of `width` channels.

    The coordinate branch works on a map reduced `reductions` times by strided depthwise convolutions, with
    `width // 2` channels inside; the feature branch has `width // ratio` nodes of `width // 2` features.
    """

    width: int = 512
    ratio: int = 4
    reductions: int = 3
    norm: NormSpec = field(default_factory=NormSpec)

    @property
    def inner(self) -> int:
        return self.width // 2

    @property
    def nodes(self) -> int:
        return self.width // self.ratio

    def inventory(self, out: Inventory, name: str) -> None:
        with out.scope(name), out.normalised(self.norm.eps):
            with out.scope("coordinate"):
                for i in range(self.reductions):
                    out.conv_norm_act(f"reduce.{i}", self.width, self.width, 3, groups=self.width)
                for node in ("key", "value", "query"):
                    out.conv(node, self.width, self.inner, 1, bias=True)
                out.conv("weight.conv", self.inner, self.inner, 1, axes=1)
                out.batch_norm("weight.bn", self.inner, after="weight.conv")
                out.conv_norm_act("out", self.inner, self.width, 1, bias=True)
            with out.scope("feature"):
                out.conv_norm_act("project", self.width, self.inner, 1)
                out.conv_norm_act("assign", self.width, self.nodes, 1)
                out.conv("adjacency.conv", self.nodes, self.nodes, 1, axes=1)
                out.batch_norm("adjacency.bn", self.nodes, after="adjacency.conv")
                out.conv("weight.conv", self.inner, self.inner, 1, axes=1)
                out.batch_norm("weight.bn", self.inner, after="weight.conv")
                out.conv_norm_act("out", self.inner, self.width, 1)
            out.conv_norm_act("merge", 2 * self.width, self.width, 1)


@dataclass(frozen=True)
class DGCNetSpec(EncoderDecoderSpec):
    """Backbone - 3x3 - dual graph convolution - 3x3, concatenated after the backbone's map - FCN head."""

    arch: ClassVar[str] = "dgcnet"

    backbone: BackboneSpec = field(default_factory=lambda: resnet_deep(50, multi_grid=(1, 2, 4)))
    dual: DualGCNSpec = field(default_factory=DualGCNSpec)
    head: FCNHeadSpec = FCNHeadSpec(dropout=NO_DROPOUT)
    auxiliary: tuple[FCNHeadSpec, ...] = (
        FCNHeadSpec(tap="layer3", bias=True, act="none", dropout=DropoutSpec(p=0.1, unit="channel")),
    )

    def decoder_inventory(self, out: Inventory) -> None:
        channels, width = self.backbone.channels(self.backbone.deepest), self.dual.width
        out.conv_norm_act("reduce", channels, width, 3)
        self.dual.inventory(out, "dual")
        out.conv_norm_act("refine", width, width, 3)
        self.head.inventory(out, "head", channels + width, self.num_classes)

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        stage, step = self.backbone.deepest, 1 << self.dual.reductions  # the coordinate branch's last map
        return -(-self.backbone.map_size(height, stage) // step), -(-self.backbone.map_size(width, stage) // step)

    def narrow(self) -> DGCNetSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            dual=dataclasses.replace(self.dual, width=16),
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _dualseg(depth: int) -> DGCNetSpec:
    return DGCNetSpec(backbone=resnet_deep(depth, multi_grid=(1, 2, 4)))


def _tiny() -> DGCNetSpec:
    auxiliary = dataclasses.replace(DGCNetSpec().auxiliary[0], width=16)
    head = FCNHeadSpec(width=16, dropout=NO_DROPOUT)
    return DGCNetSpec(backbone=resnet_tiny(), dual=DualGCNSpec(width=32), head=head, auxiliary=(auxiliary,))


ORIGINAL = "GALD-Net, libs.models.DualGCNNet.DualSeg_res{}"

PRESETS = [
    Preset(
        "dgcnet_resnet50_gald",
        _dualseg(50),
        PAPER,
        ORIGINAL.format(50),
        53.514,
        golden=golden_files("GALD-Net/DualSeg_res50"),
    ),
    Preset(
        "dgcnet_resnet101_gald",
        _dualseg(101),
        PAPER,
        ORIGINAL.format(101),
        72.507,
        golden=golden_files("GALD-Net/DualSeg_res101"),
    ),
    Preset("dgcnet_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

"""DANet: dual attention, over places and over channels (Fu et al., arXiv:1809.02983)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import ResNetSpec, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import NO_DROPOUT, DropoutSpec, FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads

PAPER = "Dual Attention Network for Scene Segmentation, arXiv:1809.02983"


@dataclass(frozen=True)
class DANetSpec(EncoderDecoderSpec):
    """Two branches on the deepest map, each 3x3 to `width` - attention - 3x3; `head` on their sum.

    position: keys and queries of `inner` channels, unscaled; channel: softmax of the negative Gram matrix over the
    channels. Each is added to its input with a learned factor `gamma`, 0 at first. `bias`: of the 3x3 convolutions.
    Auxiliary heads tap `position`, `channel`, or stages of the backbone.
    logits: at the output stride (`map`), or enlarged to the `picture` with the first places aligned, source = target *
    scale, in the network itself (Paddle's `align_mode=1`).
    """

    arch: ClassVar[str] = "danet"

    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    width: int = 512
    inner: int = 64
    bias: bool = False
    head: FCNHeadSpec = FCNHeadSpec(width=0)
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="position", width=0), FCNHeadSpec(tap="channel", width=0))
    logits: Literal["map", "picture"] = "map"

    def tap_channels(self, tap: str) -> int:
        return self.width if tap in ("position", "channel") else self.backbone.channels(tap)

    def decoder_inventory(self, out: Inventory) -> None:
        channels, width = self.backbone.channels(self.backbone.deepest), self.width
        with out.scope("position"):
            out.scale("gamma", (1,))
            out.conv_norm_act("reduce", channels, width, 3, bias=self.bias)
            for part, size in (("query", self.inner), ("key", self.inner), ("value", width)):
                out.conv(part, width, size, 1, bias=True)
            out.conv_norm_act("refine", width, width, 3, bias=self.bias)
        with out.scope("channel"):
            out.scale("gamma", (1,))
            out.conv_norm_act("reduce", channels, width, 3, bias=self.bias)
            out.conv_norm_act("refine", width, width, 3, bias=self.bias)
        self.head.inventory(out, "head", width, self.num_classes)

    def narrow(self) -> DANetSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            width=16,
            inner=4,
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _branches(dropout: DropoutSpec, *taps: str) -> tuple[FCNHeadSpec, ...]:
    """Classifiers alone."""
    return tuple(FCNHeadSpec(tap=tap, width=0, dropout=dropout) for tap in taps)


def _gluon(depth: int, dropout: DropoutSpec) -> DANetSpec:
    return DANetSpec(
        backbone=ResNetSpec(depth=depth),  # type: ignore[arg-type]
        head=FCNHeadSpec(width=0, dropout=dropout),
        auxiliary=_branches(dropout, "position", "channel"),
    )


def _mmseg(depth: int) -> DANetSpec:
    dropout = DropoutSpec(p=0.1, unit="channel")
    layer3 = FCNHeadSpec(tap="layer3", width=256, dropout=dropout)
    return DANetSpec(
        align_corners=False,
        backbone=ResNetSpec(depth=depth, stem_widths=(32, 32, 64)),  # type: ignore[arg-type]
        head=FCNHeadSpec(width=0, dropout=dropout),
        auxiliary=(*_branches(dropout, "position", "channel"), layer3),
    )


def _paddleseg(depth: int) -> DANetSpec:
    """In the original one classifier serves the taps `channel` and `position`; another one is never used."""
    dropout = DropoutSpec(p=0.1, unit="channel")
    return DANetSpec(
        align_corners=False,
        backbone=ResNetSpec(depth=depth, stem_widths=(32, 32, 64), first_block="stage", average_downsample=True),  # type: ignore[arg-type]
        bias=True,
        head=FCNHeadSpec(width=0, dropout=dropout),
        auxiliary=_branches(dropout, "channel", "position", "layer4"),
        logits="picture",
    )


def _tiny() -> DANetSpec:
    return DANetSpec(backbone=resnet_tiny(), width=16, inner=4)


DROPOUT = DropoutSpec(p=0.1)
MXNETSEG = "MXNetSeg, DANet(backbone='resnet{}', aux=True)"
GLUONCV = "GluonCV, DANet(backbone='resnet{}')"

PRESETS = [
    Preset(
        "danet_resnet50_mxnetseg",
        _gluon(50, DROPOUT),
        PAPER,
        MXNETSEG.format(50),
        47.586,
        golden=golden_files("MXNetSeg/DANet_resnet50"),
    ),
    Preset("danet_resnet101_mxnetseg", _gluon(101, DROPOUT), PAPER, MXNETSEG.format(101), published_mxnetseg=66.6689),
    Preset(
        "danet_resnet50_gluoncv",
        _gluon(50, NO_DROPOUT),
        PAPER,
        GLUONCV.format(50),
        golden=golden_files("GluonCV/DANet_resnet50"),
    ),
    Preset("danet_resnet101_gluoncv", _gluon(101, NO_DROPOUT), PAPER, GLUONCV.format(101)),
    Preset(
        "danet_resnet50_mmseg",
        _mmseg(50),
        PAPER,
        "mmseg 0.19, configs/_base_/models/danet_r50-d8.py",
        49.847,
        golden=golden_files("mmseg/danet_r50"),
    ),
    Preset(
        "danet_resnet50_vd_paddleseg",
        _paddleseg(50),
        PAPER,
        "PaddleSeg, DANet(backbone=ResNet50_vd)",
        47.52,
        golden=golden_files("PaddleSeg/danet_resnet50_vd"),
    ),
    Preset("danet_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]

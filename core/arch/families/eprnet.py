"""EPRNet: an FCN head on pyramid representation modules (Tang et al., IEEE T-ITS 2021), as in its authors' MXNetSeg."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.eprnet import EPREncoderSpec
from core.arch.families.fcn import FCNSpec
from core.arch.golden import golden_files
from core.arch.parts import NO_DROPOUT, FCNHeadSpec
from core.arch.spec import Preset

PAPER = "EPRNet: Efficient Pyramid Representation Network for Real-Time Street Scene Segmentation, IEEE T-ITS 2021"


@dataclass(frozen=True)
class EPRNetSpec(FCNSpec):
    """EPRNet's encoder - FCN head; no auxiliary head."""

    arch: ClassVar[str] = "eprnet"

    backbone: BackboneSpec = field(default_factory=EPREncoderSpec)
    head: FCNHeadSpec = FCNHeadSpec(width=128, act="prelu_shared", dropout=NO_DROPOUT)
    auxiliary: tuple[FCNHeadSpec, ...] = ()


ORIGINAL = "MXNetSeg, EPRNet(light={})"

PRESETS = [
    Preset(
        "eprnet_mxnetseg",
        EPRNetSpec(),
        PAPER,
        ORIGINAL.format(False),
        0.896,
        golden=golden_files("MXNetSeg/EPRNet"),
    ),
    Preset(
        "eprnet_light_mxnetseg",
        EPRNetSpec(backbone=EPREncoderSpec(light=True)),
        PAPER,
        ORIGINAL.format(True),
        0.648,
        golden=golden_files("MXNetSeg/EPRNet_light"),
    ),
    Preset("eprnet_tiny", EPRNetSpec().narrow(), PAPER, "of this project: for tests and demonstrations"),
]

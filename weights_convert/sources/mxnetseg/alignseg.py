"""AlignSeg on GluonCV's resnet_v1s."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, RESNET_V1S
from weights_convert.sources.rules import MXNET_LEAVES, Rule, RuleLayout, module


def _residual(pattern: str, target: str) -> tuple[Rule, ...]:
    return (
        module(pattern + r"\.conv1x1", target + ".reduce"),
        module(pattern + r"\.conv3x3_1\.(?P<part>conv|bn)", target + ".conv1.{part}"),
        module(pattern + r"\.conv3x3_2", target + ".conv2"),
        module(pattern + r"\.bn", target + ".bn"),
    )


def _flow(pattern: str, target: str) -> tuple[Rule, ...]:
    return (
        module(pattern + r"\.delta\.0\.(?P<part>conv|bn)", target + ".flow.reduce.{part}"),
        module(pattern + r"\.delta\.1", target + ".flow.out"),
    )


_ALIGN = r"head\.align_(?P<i>[1234])\."

ALIGNSEG = RuleLayout(
    name="AlignSeg on GluonCV's resnet_v1s",
    presets=("alignseg_resnet50_mxnetseg",),
    rules=(
        *RESNET_V1S,
        module(r"head\.align_cm\.conv1x1\.(?P<part>conv|bn)", "context.pooled.{part}"),
        module(r"head\.align_cm\.conv3x3\.(?P<part>conv|bn)", "context.local.{part}"),
        *_flow(r"head\.align_cm", "context"),
        *_residual(_ALIGN + "rcb_1", "aligns.{i-1}.coarse"),
        *_residual(_ALIGN + "rcb_2", "aligns.{i-1}.fine"),
        *_flow(_ALIGN + "align", "aligns.{i-1}"),
        *_residual(r"head\.rcb", "refine"),
        module(r"head\.head\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
        module(r"head\.head\.conv2", "head.classifier"),
        module(r"aux_head\.conv1\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
        module(r"aux_head\.conv2", "auxiliary.0.classifier"),
    ),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (ALIGNSEG,)

"""FaPN on GluonCV's resnet_v1b."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, RESNET_V1B
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module, tensor

_ALIGN = r"head\.align_c(?P<level>[123])\."

FAPN = RuleLayout(
    name="FaPN on GluonCV's resnet_v1b",
    presets=("fapn_resnet18_mxnetseg",),
    rules=(
        *RESNET_V1B,
        module(r"head\.conv\.(?P<part>conv|bn)", "top.{part}"),
        module(_ALIGN + r"fsm\.conv1\.(?P<part>conv|bn)", "aligns.{3-level}.gate.convs.0.{part}"),
        module(_ALIGN + r"fsm\.conv2\.conv", "aligns.{3-level}.select.conv"),
        module(_ALIGN + r"offset\.(?P<part>conv|bn)", "aligns.{3-level}.mix.{part}"),
        tensor(_ALIGN + r"align\.deformable_conv_(?P<leaf>weight|bias)", "aligns.{3-level}.align.{leaf}"),
        tensor(_ALIGN + r"align\.offset_(?P<leaf>weight|bias)", "aligns.{3-level}.align.offset.{leaf}"),
        module(r"head\.seg\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
        module(r"head\.seg\.conv2", "head.classifier"),
        module(r"aux_head\.conv1\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
        module(r"aux_head\.conv2", "auxiliary.0.classifier"),
    ),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (FAPN,)

"""AttaNet."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, RESNET_V1B
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module

ATTANET = RuleLayout(
    name="AttaNet on GluonCV's resnet_v1b",
    presets=("attanet_resnet18_mxnetseg",),
    rules=(
        *RESNET_V1B,
        module(r"head\.afm\.conv3x3_high\.(?P<part>conv|bn)", "fusion.deep.{part}"),
        module(r"head\.afm\.conv3x3_low\.(?P<part>conv|bn)", "fusion.shallow.{part}"),
        module(r"head\.afm\.conv1x1_1\.(?P<part>conv|bn)", "fusion.mix.{part}"),
        module(r"head\.afm\.conv1x1_2\.(?P<part>conv|bn)", "fusion.weight.{part}"),
        module(r"head\.conv3x3\.(?P<part>conv|bn)", "refine.{part}"),
        module(r"head\.sam\.(?P<which>query|key|value)_conv\.(?P<part>conv|bn)", "attention.{which}.{part}"),
        module(r"head\.seg\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
        module(r"head\.seg\.conv2", "head.classifier"),
        module(r"aux_head\.conv1\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
        module(r"aux_head\.conv2", "auxiliary.0.classifier"),
    ),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (ATTANET,)

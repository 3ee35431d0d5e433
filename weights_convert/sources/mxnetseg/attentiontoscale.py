"""Attention to Scale on GluonCV's resnet_v1s."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, RESNET_V1S
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module

ATTENTION_TO_SCALE = RuleLayout(
    name="Attention to Scale on GluonCV's resnet_v1s",
    presets=("attentiontoscale_resnet50_mxnetseg", "attentiontoscale_resnet101_mxnetseg"),
    rules=(
        *RESNET_V1S,
        module(r"head\.seg_head\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
        module(r"head\.seg_head\.conv2", "head.classifier"),
        module(r"head\.conv3x3\.(?P<part>conv|bn)", "attention.block.{part}"),
        module(r"head\.conv1x1", "attention.classifier"),
        module(r"aux_head\.(?P<i>[01])\.conv1\.(?P<part>conv|bn)", "auxiliary.{i}.block.{part}"),
        module(r"aux_head\.(?P<i>[01])\.conv2", "auxiliary.{i}.classifier"),
    ),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (ATTENTION_TO_SCALE,)

"""ACFNet on GluonCV's resnet_v1s."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, RESNET_V1S
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module

ACFNET = RuleLayout(
    name="ACFNet on GluonCV's resnet_v1s",
    presets=("acfnet_resnet50_mxnetseg", "acfnet_resnet101_mxnetseg"),
    rules=(
        *RESNET_V1S,
        module(r"head\.aspp\.branches\.(?P<i>\d)\.(?P<part>conv|bn)", "branches.{i}.{part}"),
        module(r"head\.aspp\.projection\.(?P<part>conv|bn)", "project.{part}"),
        module(r"head\.coarse_head\.conv1\.(?P<part>conv|bn)", "coarse.block.{part}"),
        module(r"head\.coarse_head\.conv2", "coarse.classifier"),
        module(r"head\.acf\.conv_1\.(?P<part>conv|bn)", "classes.reduce.{part}"),
        module(r"head\.acf\.conv_2\.(?P<part>conv|bn)", "classes.out.{part}"),
        module(r"head\.head\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
        module(r"head\.head\.conv2", "head.classifier"),
        module(r"aux_head\.conv1\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
        module(r"aux_head\.conv2", "auxiliary.0.classifier"),
    ),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (ACFNET,)

"""Both CANets on GluonCV's ResNets."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, RESNET_V1B, RESNET_V1S
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module

_AUXILIARY = (
    module(r"aux_head\.conv1\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
    module(r"aux_head\.conv2", "auxiliary.0.classifier"),
)

CANET_V1 = RuleLayout(
    name="CANet v1 on GluonCV's resnet_v1s",
    presets=("canetv1_resnet50_mxnetseg", "canetv1_resnet101_mxnetseg"),
    rules=(
        *RESNET_V1S,
        module(r"head\.gp\.conv1x1\.(?P<part>conv|bn)", "global_flow.{part}"),
        module(
            r"head\.cp(?P<i>[1234])\.conv(?P<j>[12])\.(?P<half>depthwise|pointwise)\.(?P<part>conv|bn)",
            "flows.{i-1}.{j-1}.{half}.{part}",
        ),
        module(r"head\.proj\.(?P<part>conv|bn)", "merge.{part}"),
        module(r"head\.decoder\.(?P<part>conv|bn)", "detail.{part}"),
        module(r"head\.conv3x3\.(?P<part>conv|bn)", "refine.{part}"),
        module(r"head\.seg_head\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
        module(r"head\.seg_head\.conv2", "head.classifier"),
        *_AUXILIARY,
    ),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

_ENCODER = r"head\.ed(?P<i>[123])\.encoder\.(?P<j>\d)"
_TARGET = "branches.{i-1}.encoder.{j}"
_V2 = (
    module(r"head\.comp_c4\.(?P<part>conv|bn)", "deep.{part}"),
    module(r"head\.comp_c3\.(?P<part>conv|bn)", "shallow.{part}"),
    module(r"head\.gap\.conv1x1\.(?P<part>conv|bn)", "pool.{part}"),
    module(_ENCODER + r"\.conv1\.(?P<part>conv|bn)", _TARGET + ".reduce.{part}"),
    module(_ENCODER + r"\.conv2\.(?P<part>conv|bn)", _TARGET + ".stride.{part}"),
    module(_ENCODER + r"\.conv3\.(?P<part>conv|bn)", _TARGET + ".expand.{part}"),
    module(_ENCODER + r"\.conv4\.(?P<part>conv|bn)", _TARGET + ".shortcut.{part}"),
    module(r"head\.ed(?P<i>[123])\.conv3x3\.(?P<part>conv|bn)", "branches.{i-1}.refine.{part}"),
    module(r"head\.ed(?P<i>[123])\.conv1x1\.(?P<part>conv|bn)", "branches.{i-1}.out.{part}"),
    module(r"head\.conv(?P<i>[12])\.(?P<part>conv|bn)", "gate.{i-1}.{part}"),
    module(r"head\.seg\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
    module(r"head\.seg\.conv2", "head.classifier"),
    *_AUXILIARY,
)

CANET_V2_V1B = RuleLayout(
    name="CANet v2 on GluonCV's resnet_v1b",
    presets=("canetv2_resnet18_mxnetseg",),
    rules=(*RESNET_V1B, *_V2),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

CANET_V2_V1S = RuleLayout(
    name="CANet v2 on GluonCV's resnet_v1s",
    presets=("canetv2_resnet50_mxnetseg",),
    rules=(*RESNET_V1S, *_V2),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (CANET_V1, CANET_V2_V1B, CANET_V2_V1S)

"""BiSeNet on GluonCV's ResNet and on the repository's Xception-39."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, RESNET_V1B
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module

_PART = r"\.(?P<part>conv|bn)"
_SPATIAL = r"head\.spatial_path\.conv"
_BLOCK = r"layer(?P<stage>[123])\.(?P<block>\d+)\."
_TARGET = "backbone.layer{stage}.{block}."

_XCEPTION39 = (
    module("conv" + _PART, "backbone.stem.{part}"),
    module(_BLOCK + "down" + _PART, _TARGET + "downsample.{part}"),
    module(_BLOCK + r"residual\.(?P<i>[012])\.depthwise", _TARGET + "convs.{i}.depthwise"),
    module(_BLOCK + r"residual\.(?P<i>[012])\.pointwise" + _PART, _TARGET + "convs.{i}.pointwise.{part}"),
)

_DECODER = (
    module(_SPATIAL + "7x7" + _PART, "spatial.0.{part}"),
    module(_SPATIAL + r"3x3_(?P<i>[12])" + _PART, "spatial.{i}.{part}"),
    module(_SPATIAL + "1x1" + _PART, "spatial.3.{part}"),
    module(r"head\.global_flow\.conv1x1" + _PART, "context.globe.{part}"),
    module(r"head\.refine_c(?P<level>[34])\.conv3x3" + _PART, "context.arms.{4-level}.conv.{part}"),
    module(r"head\.refine_c(?P<level>[34])\.conv1x1" + _PART, "context.arms.{4-level}.gate.convs.0.{part}"),
    module(r"head\.proj" + _PART, "context.refines.0.{part}"),
    module(r"head\.fusion\.proj" + _PART, "fusion.conv.{part}"),
    module(r"head\.fusion\.conv1x1_(?P<i>[12])" + _PART, "fusion.gate.convs.{i-1}.{part}"),
    module(r"head\.seg\.conv1" + _PART, "head.block.{part}"),
    module(r"head\.seg\.conv2", "head.classifier"),
    module(r"aux_head\.(?P<i>[01])\.conv1" + _PART, "auxiliary.{i}.block.{part}"),
    module(r"aux_head\.(?P<i>[01])\.conv2", "auxiliary.{i}.classifier"),
)

BISENET_R = RuleLayout(
    name="BiSeNet on GluonCV's resnet_v1b",
    presets=("bisenet_resnet18_mxnetseg",),
    rules=(*RESNET_V1B, *_DECODER),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

BISENET_X = RuleLayout(
    name="BiSeNet on Xception-39",
    presets=("bisenet_xception39_mxnetseg",),
    rules=(*_XCEPTION39, *_DECODER),
    leaves=MXNET_LEAVES,
)

XCEPTION39 = RuleLayout(
    name="Xception-39 on ImageNet",
    presets=("xception39_classifier",),
    rules=(*_XCEPTION39, module(r"conv1\.(?P<part>conv|bn)", "backbone.stem.{part}"), module("fc", "head.classifier")),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (BISENET_R, BISENET_X, XCEPTION39)

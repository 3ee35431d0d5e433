"""FCN on GluonCV's ResNets, at either output stride, and on its MobileNetV2."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, MOBILENET_V2, RESNET_V1B, RESNET_V1S
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module

_HEADS = (
    module(r"head\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
    module(r"head\.conv2", "head.classifier"),
    module(r"aux_head\.conv1\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
    module(r"aux_head\.conv2", "auxiliary.0.classifier"),
)

FCN_V1B = RuleLayout(
    name="FCN on GluonCV's resnet_v1b",
    presets=("fcn_resnet18_mxnetseg", "fcn_resnet18_os32_mxnetseg"),
    rules=(*RESNET_V1B, *_HEADS),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

FCN_V1S = RuleLayout(
    name="FCN on GluonCV's resnet_v1s",
    presets=("fcn_resnet50_mxnetseg", "fcn_resnet101_mxnetseg"),
    rules=(*RESNET_V1S, *_HEADS),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

FCN_MOBILENET = RuleLayout(
    name="FCN on GluonCV's mobilenet_v2",
    presets=("fcn_mobilenet_v2_mxnetseg",),
    rules=(*MOBILENET_V2, *_HEADS),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (FCN_V1B, FCN_V1S, FCN_MOBILENET)

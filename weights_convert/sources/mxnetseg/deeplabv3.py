"""DeepLabv3, and DeepLabv3+ on ResNet and Xception."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.aspp import ASPP, AUXILIARY, HEAD
from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, RESNET_V1S
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module
from weights_convert.sources.xception_names import XCEPTION65

_PLUS = (
    *ASPP,
    module(r"head\.conv_c1\.(?P<part>conv|bn)", "fusion.low.{part}"),
    module(r"head\.conv3x3\.(?P<part>conv|bn)", "fusion.convs.0.{part}"),
    *HEAD,
)

DEEPLABV3 = RuleLayout(
    name="DeepLabv3",
    presets=("deeplabv3_resnet50_mxnetseg", "deeplabv3_resnet101_mxnetseg"),
    rules=(*RESNET_V1S, *ASPP, *HEAD, *AUXILIARY),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

DEEPLABV3PLUS_RESNET = RuleLayout(
    name="DeepLabv3+ on GluonCV's resnet_v1s",
    presets=("deeplabv3plus_resnet50_mxnetseg", "deeplabv3plus_resnet101_mxnetseg"),
    rules=(*RESNET_V1S, *_PLUS),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

DEEPLABV3PLUS_XCEPTION = RuleLayout(
    name="DeepLabv3+ on GluonCV's Xception-65",
    presets=("deeplabv3plus_xception65_mxnetseg",),
    rules=(*XCEPTION65, *_PLUS),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (DEEPLABV3, DEEPLABV3PLUS_RESNET, DEEPLABV3PLUS_XCEPTION)

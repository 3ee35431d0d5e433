"""PSPNet on both kinds of GluonCV's ResNets."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, RESNET_V1B, RESNET_V1S
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module

_PYRAMID_HEAD = (
    module(r"head\.pool\.conv(?P<i>[1234])\.(?P<part>conv|bn)", "pyramid.branches.{i-1}.{part}"),
    module(r"head\.seg_head\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
    module(r"head\.seg_head\.conv2", "head.classifier"),
    module(r"aux_head\.conv1\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
    module(r"aux_head\.conv2", "auxiliary.0.classifier"),
)

PSPNET_V1S = RuleLayout(
    name="PSPNet on GluonCV's resnet_v1s",
    presets=("pspnet_resnet50_mxnetseg", "pspnet_resnet101_mxnetseg", "pspnet_resnet152_mxnetseg"),
    rules=(*RESNET_V1S, *_PYRAMID_HEAD),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

PSPNET_V1B = RuleLayout(
    name="PSPNet on GluonCV's resnet_v1b",
    presets=("pspnet_resnet18_mxnetseg", "pspnet_resnet34_mxnetseg"),
    rules=(*RESNET_V1B, *_PYRAMID_HEAD),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (PSPNET_V1S, PSPNET_V1B)

"""DenseASPP."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.aspp import AUXILIARY, HEAD
from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, RESNET_V1S
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module

DENSEASPP = RuleLayout(
    name="DenseASPP",
    presets=("denseaspp_resnet50_mxnetseg", "denseaspp_resnet101_mxnetseg"),
    rules=(
        *RESNET_V1S,
        module(r"head\.dense_aspp\.dilate(?P<i>[12345])\.(?P<part>conv|bn)", "dense_aspp.dilated.{i-1}.{part}"),
        module(r"head\.dense_aspp\.trans(?P<i>[1234])\.(?P<part>conv|bn)", "dense_aspp.transitions.{i-1}.{part}"),
        module(r"head\.dense_aspp\.projection\.(?P<part>conv|bn)", "dense_aspp.project.{part}"),
        *HEAD,
        *AUXILIARY,
    ),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (DENSEASPP,)

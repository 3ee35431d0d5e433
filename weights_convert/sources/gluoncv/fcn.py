"""FCN."""

from __future__ import annotations

from weights_convert.sources.gluoncv.blocks import AUXILIARY, RESNET_V1S, fcn_head
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout

FCN = RuleLayout(
    name="FCN on resnet_v1s",
    presets=("fcn_resnet50_gluoncv", "fcn_resnet101_gluoncv"),
    rules=(*RESNET_V1S, *fcn_head("head", "head"), *AUXILIARY),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (FCN,)

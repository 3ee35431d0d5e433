"""FCN."""

from __future__ import annotations

from weights_convert.sources.rules import COUNTER, RuleLayout
from weights_convert.sources.torchvision.blocks import AUXILIARY, RESNET, fcn_head

FCN = RuleLayout(
    name="FCN",
    presets=("fcn_resnet50_torchvision", "fcn_resnet101_torchvision"),
    rules=(*RESNET, *fcn_head("classifier", "head"), *AUXILIARY),
    dropped=(COUNTER,),
)

LAYOUTS = (FCN,)

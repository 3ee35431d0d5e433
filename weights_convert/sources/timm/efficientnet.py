"""EfficientNet B0 to B7 and Lite; each depth has its names."""

from __future__ import annotations

from core.arch.backbones.efficientnet import SCALES, EfficientNetSpec
from weights_convert.sources.efficientnet_names import timm
from weights_convert.sources.rules import COUNTER, Drop, RuleLayout, module

CLASSIFIER = Drop(r"classifier\.(weight|bias)", "ImageNet classifier")
LAST = (module("conv_head", "backbone.last.conv"), module("bn2", "backbone.last.bn"))

LAYOUTS = tuple(
    RuleLayout(
        name=f"EfficientNet, {depth:g} times B0's blocks",
        presets=(),
        rules=(*timm(EfficientNetSpec(depth=depth)), *LAST),
        dropped=(COUNTER, CLASSIFIER),
        backbones=("efficientnet",),
    )
    for depth in dict.fromkeys(depth for _, depth in SCALES)
)

"""EfficientNet B0 to B7 and Lite, classification backbones: blocks are numbered through, each depth has its names."""

from __future__ import annotations

from core.arch.backbones.efficientnet import SCALES, EfficientNetSpec, efficientnet, efficientnet_lite0
from weights_convert.sources.efficientnet_names import lukemelas
from weights_convert.sources.rules import COUNTER, Drop, RuleLayout, module

_DEPTHS = tuple(dict.fromkeys(depth for _, depth in SCALES))
CLASSIFIER = Drop(r"_fc\.(weight|bias)", "ImageNet classifier")

BACKBONES = tuple(
    RuleLayout(
        name=f"EfficientNet, {depth:g} times B0's blocks",
        presets=(),
        rules=lukemelas(EfficientNetSpec(depth=depth)),
        dropped=(COUNTER, CLASSIFIER),
        backbones=("efficientnet",),
    )
    for depth in _DEPTHS
)

CLASSIFIERS = tuple(
    RuleLayout(
        name=name,
        presets=(preset,),
        rules=(*lukemelas(spec), module("_fc", "head.classifier")),
        dropped=(COUNTER,),
    )
    for name, preset, spec in (
        ("EfficientNet-B0 with its classifier", "efficientnet_b0_classifier", efficientnet(0)),
        ("EfficientNet-Lite0 with its classifier", "efficientnet_lite0_classifier", efficientnet_lite0()),
    )
)

LAYOUTS = (*BACKBONES, *CLASSIFIERS)

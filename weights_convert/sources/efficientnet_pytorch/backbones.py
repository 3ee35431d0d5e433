"""EfficientNet B0 to B7 and Lite, classification backbones: blocks are numbered through, each depth has its names."""

from __future__ import annotations

from core.arch.backbones.efficientnet import SCALES, EfficientNetSpec
from weights_convert.sources.efficientnet_names import lukemelas
from weights_convert.sources.rules import COUNTER, Drop, RuleLayout

_DEPTHS = tuple(dict.fromkeys(depth for _, depth in SCALES))
CLASSIFIER = Drop(r"_fc\.(weight|bias)", "ImageNet classifier")

LAYOUTS = tuple(
    RuleLayout(
        name=f"EfficientNet, {depth:g} times B0's blocks",
        presets=(),
        rules=lukemelas(EfficientNetSpec(depth=depth)),
        dropped=(COUNTER, CLASSIFIER),
        backbones=("efficientnet",),
    )
    for depth in _DEPTHS
)

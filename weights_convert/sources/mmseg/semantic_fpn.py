"""Semantic FPN on ResNetV1c."""

from __future__ import annotations

from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import COUNTER, RuleLayout, module

# The units of a level are numbered with the resizes after them.
_LEVELS = tuple(
    module(rf"decode_head\.scale_heads\.(?P<i>[0123])\.{2 * j}\.(?P<part>conv|bn)", f"head.levels.{{i}}.{j}.{{part}}")
    for j in range(3)
)

SEMANTIC_FPN = RuleLayout(
    name="FPN",
    presets=("semantic_fpn_resnet50_mmseg",),
    rules=(
        *nested_deep_stem(r"backbone\.stem\.", r"backbone\.stem\.7"),
        *residual_stages(r"backbone\."),
        module(r"neck\.lateral_convs\.(?P<i>[0123])\.conv", "neck.lateral.{i}"),
        module(r"neck\.fpn_convs\.(?P<i>[0123])\.conv", "neck.smooth.{i}"),
        *_LEVELS,
        module(r"decode_head\.conv_seg", "head.classifier"),
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (SEMANTIC_FPN,)

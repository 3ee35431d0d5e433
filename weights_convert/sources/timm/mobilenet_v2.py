"""MobileNetV2: blocks stand in seven groups, and one without expansion begins with its depthwise convolution."""

from __future__ import annotations

from core.arch.backbones.mobilenet_v2 import MobileNetV2Spec
from weights_convert.sources.rules import COUNTER, Rule, RuleLayout, module
from weights_convert.sources.timm.efficientnet import CLASSIFIER, LAST


def _rules() -> tuple[Rule, ...]:
    rules = [module("conv_stem", "backbone.stem.conv"), module("bn1", "backbone.stem.bn"), *LAST]
    groups = [(group, index) for group, count in enumerate(MobileNetV2Spec().repeats) for index in range(count)]
    for number, (group, index) in enumerate(groups):
        path, target = rf"blocks\.{group}\.{index}\.", f"backbone.blocks.{number}."
        parts = {"conv_pw": "expand", "conv_dw": "depthwise", "conv_pwl": "project"}
        parts = parts if group else {"conv_dw": "depthwise", "conv_pw": "project"}
        for i, (conv, part) in enumerate(parts.items(), start=1):
            rules += [module(path + conv, f"{target}{part}.conv"), module(f"{path}bn{i}", f"{target}{part}.bn")]
    return tuple(rules)


LAYOUTS = (
    RuleLayout(
        name="MobileNetV2",
        presets=(),
        rules=_rules(),
        dropped=(COUNTER, CLASSIFIER),
        backbones=("mobilenet_v2",),
    ),
)

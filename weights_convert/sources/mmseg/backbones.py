"""Backbones that the networks of this origin start from: ResNet-v1c, and HRNet as its authors name it."""

from __future__ import annotations

from weights_convert.sources.hrnet_names import hrnet
from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import COUNTER, Drop, Rule, RuleLayout

CLASSIFIER = Drop(r"(fc|classifier|incre_modules|downsamp_modules|final_layer)\..*", "ImageNet classifier")


def _alone(name: str, family: str, *rules: Rule) -> RuleLayout:
    return RuleLayout(name, (), rules, dropped=(COUNTER, CLASSIFIER), backbones=(family,))


LAYOUTS = (
    _alone("ResNet-v1c", "resnet", *nested_deep_stem(r"stem\.", r"stem\.7"), *residual_stages()),
    _alone("HRNet", "hrnet", *hrnet()),
)

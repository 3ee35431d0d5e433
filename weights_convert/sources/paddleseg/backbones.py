"""Backbones that the networks of this origin start from, as it publishes them: ResNet_vd and HRNet."""

from __future__ import annotations

from weights_convert.sources.paddleseg.blocks import resnet_vd
from weights_convert.sources.paddleseg.hrnet import hrnet
from weights_convert.sources.rules import PADDLE_LEAVES, Drop, Rule, RuleLayout

CLASSIFIER = Drop(r"(out|fc|classifier)\.(weight|bias)", "ImageNet classifier")


def _alone(name: str, family: str, *rules: Rule) -> RuleLayout:
    return RuleLayout(name, (), rules, dropped=(CLASSIFIER,), leaves=PADDLE_LEAVES, backbones=(family,))


LAYOUTS = (_alone("ResNet_vd", "resnet", *resnet_vd()), _alone("HRNet", "hrnet", *hrnet()))

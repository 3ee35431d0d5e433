"""ResNets for classification, which many packages name like torchvision's: backbones to start from."""

from __future__ import annotations

from collections.abc import Mapping

from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import COUNTER, TORCH_LEAVES, Drop, RuleLayout, module

CLASSIFIER = Drop(r"fc\.(weight|bias)", "ImageNet classifier")


def plain_stem(name: str, leaves: Mapping[str, str] = TORCH_LEAVES) -> RuleLayout:
    """`conv1`, `bn1`: one convolution of 7x7."""
    return RuleLayout(
        name=name,
        presets=(),
        rules=(module("conv1", "backbone.stem.0.conv"), module("bn1", "backbone.stem.0.bn"), *residual_stages()),
        dropped=(COUNTER, CLASSIFIER),
        leaves=leaves,
        backbones=("resnet",),
    )


def deep_stem(name: str, leaves: Mapping[str, str] = TORCH_LEAVES) -> RuleLayout:
    """`conv1.0`, … `bn1`: three convolutions of 3x3."""
    return RuleLayout(
        name=name,
        presets=(),
        rules=(*nested_deep_stem(), *residual_stages()),
        dropped=(COUNTER, CLASSIFIER),
        leaves=leaves,
        backbones=("resnet",),
    )

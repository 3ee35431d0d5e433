"""The ResNet that the networks of this origin share.

Blocks of a stage are numbered 0, 2, 3, …: block i >= 1 is called i + 1.
"""

from __future__ import annotations

from weights_convert.sources.rules import Drop, Rule, module


def _residual(block: str, target: str) -> tuple[Rule, ...]:
    return (
        module(block + r"\._conv(?P<i>[012])\._conv", target + ".conv{i+1}"),
        module(block + r"\._conv(?P<i>[012])\._bn", target + ".bn{i+1}"),
        module(block + r"\._skip\._conv", target + ".downsample.conv"),
        module(block + r"\._skip\._bn", target + ".downsample.bn"),
    )


RESNET = (
    module(r"resnet\._conv\._conv", "backbone.stem.0.conv"),
    module(r"resnet\._conv\._bn", "backbone.stem.0.bn"),
    *_residual(r"resnet\._layer(?P<stage>[1234])_0", "backbone.layer{stage}.0"),
    *_residual(r"resnet\._layer(?P<stage>[1234])_(?P<block>[2-9]|[1-9]\d+)", "backbone.layer{stage}.{block-1}"),
)
IMAGENET_CLASSIFIER = Drop(r"resnet\.fc\.(weight|bias)", "ImageNet classifier, takes no part in the output")

"""Blocks and the ResNet_vd that the networks of this origin share."""

from __future__ import annotations

from weights_convert.sources.rules import Rule, module


def conv_bn(pattern: str, target: str) -> tuple[Rule, ...]:
    """PaddleSeg's ConvBNReLU, ConvBN and ConvBNLayer."""
    return (
        module(pattern + r"\._conv", target + ".conv"),
        module(pattern + r"\._batch_norm", target + ".bn"),
    )


def resnet_vd(prefix: str = "") -> tuple[Rule, ...]:
    """Behind `prefix`, a pattern."""
    residual = prefix + r"bb_(?P<stage>[0123])_(?P<block>\d+)\."
    target = "backbone.layer{stage+1}.{block}"
    return (
        *conv_bn(prefix + r"conv1_(?P<i>[123])", "backbone.stem.{i-1}"),
        module(residual + r"conv(?P<i>[012])\._conv", target + ".conv{i+1}"),
        module(residual + r"conv(?P<i>[012])\._batch_norm", target + ".bn{i+1}"),
        *conv_bn(residual + r"short", target + ".downsample"),
    )


RESNET_VD = resnet_vd(r"backbone\.")

"""Blocks and the ResNet_vd that the networks of this origin share."""

from __future__ import annotations

from weights_convert.sources.rules import Rule, module


def conv_bn(pattern: str, target: str) -> tuple[Rule, ...]:
    """PaddleSeg's ConvBNReLU, ConvBN and ConvBNLayer."""
    return (
        module(pattern + r"\._conv", target + ".conv"),
        module(pattern + r"\._batch_norm", target + ".bn"),
    )


_RESIDUAL = r"backbone\.bb_(?P<stage>[0123])_(?P<block>\d+)\."
_TARGET = "backbone.layer{stage+1}.{block}"

RESNET_VD = (
    *conv_bn(r"backbone\.conv1_(?P<i>[123])", "backbone.stem.{i-1}"),
    module(_RESIDUAL + r"conv(?P<i>[012])\._conv", _TARGET + ".conv{i+1}"),
    module(_RESIDUAL + r"conv(?P<i>[012])\._batch_norm", _TARGET + ".bn{i+1}"),
    *conv_bn(_RESIDUAL + r"short", _TARGET + ".downsample"),
)

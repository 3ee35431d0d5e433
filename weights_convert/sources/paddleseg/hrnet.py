"""HRNet, as the networks of this origin hold it: everything is numbered from 1."""

from __future__ import annotations

from weights_convert.sources.paddleseg.blocks import conv_bn
from weights_convert.sources.rules import Rule, module


def _convolutions(block: str, target: str) -> tuple[Rule, ...]:
    return (
        module(block + r"\.conv(?P<i>[123])\._conv", target + ".conv{i}"),
        module(block + r"\.conv(?P<i>[123])\._batch_norm", target + ".bn{i}"),
    )


_TARGET = "backbone.stage{s}.{m-1}."


def hrnet(prefix: str = "") -> tuple[Rule, ...]:
    """Behind `prefix`, a pattern."""
    first = prefix + r"la1\.bb_layer2_(?P<b>\d+)"
    stage = prefix + r"st(?P<s>[234])\.stage_st(?P=s)_(?P<m>\d+)\."
    fuse = stage + r"fuse_func\.residual_st(?P=s)_(?P=m)_layer_(?P<i>[1234])_(?P<j>[1234])"
    return (
        *conv_bn(prefix + r"conv_layer1_(?P<i>[12])", "backbone.stem.{i-1}"),
        *_convolutions(first, "backbone.layer1.{b-1}"),
        *conv_bn(first + r"\.conv_down", "backbone.layer1.{b-1}.downsample"),
        *conv_bn(prefix + r"tr(?P<t>[123])\.transition_tr(?P=t)_layer_(?P<i>[1234])", "backbone.transition{t}.{i-1}"),
        *_convolutions(
            stage + r"branches_func\.bb_st(?P=s)_(?P=m)_branch_layer_(?P<b>[1234])_(?P<k>\d+)",
            _TARGET + "branches.{b-1}.{k-1}",
        ),
        *conv_bn(fuse, _TARGET + "fuse.{i-1}.{j-1}"),  # from a deeper branch
        *conv_bn(fuse + r"_(?P<k>[123])", _TARGET + "fuse.{i-1}.{j-1}.{k-1}"),  # from a shallower one
    )

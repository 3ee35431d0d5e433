"""HRNet, as the networks of this origin hold it: everything is numbered from 1."""

from __future__ import annotations

from weights_convert.sources.paddleseg.blocks import conv_bn
from weights_convert.sources.rules import Rule, module


def _convolutions(block: str, target: str) -> tuple[Rule, ...]:
    return (
        module(block + r"\.conv(?P<i>[123])\._conv", target + ".conv{i}"),
        module(block + r"\.conv(?P<i>[123])\._batch_norm", target + ".bn{i}"),
    )


_FIRST = r"backbone\.la1\.bb_layer2_(?P<b>\d+)"
_MODULE = r"backbone\.st(?P<s>[234])\.stage_st(?P=s)_(?P<m>\d+)\."
_FUSE = _MODULE + r"fuse_func\.residual_st(?P=s)_(?P=m)_layer_(?P<i>[1234])_(?P<j>[1234])"
_TARGET = "backbone.stage{s}.{m-1}."

HRNET = (
    *conv_bn(r"backbone\.conv_layer1_(?P<i>[12])", "backbone.stem.{i-1}"),
    *_convolutions(_FIRST, "backbone.layer1.{b-1}"),
    *conv_bn(_FIRST + r"\.conv_down", "backbone.layer1.{b-1}.downsample"),
    *conv_bn(r"backbone\.tr(?P<t>[123])\.transition_tr(?P=t)_layer_(?P<i>[1234])", "backbone.transition{t}.{i-1}"),
    *_convolutions(
        _MODULE + r"branches_func\.bb_st(?P=s)_(?P=m)_branch_layer_(?P<b>[1234])_(?P<k>\d+)",
        _TARGET + "branches.{b-1}.{k-1}",
    ),
    *conv_bn(_FUSE, _TARGET + "fuse.{i-1}.{j-1}"),  # from a deeper branch
    *conv_bn(_FUSE + r"_(?P<k>[123])", _TARGET + "fuse.{i-1}.{j-1}.{k-1}"),  # from a shallower one
)

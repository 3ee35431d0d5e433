"""ICNet: the stem of its trunk lies flat, the pyramid in it."""

from __future__ import annotations

from weights_convert.sources.resnet_names import residual_stages
from weights_convert.sources.rules import COUNTER, RuleLayout, module

_PART = r"\.(?P<part>conv|bn)"
_FUSION = r"head\.cff_(?P<step>12|24)\."

ICNET = RuleLayout(
    name="ICNet",
    presets=("icnet_resnet50_fastseg",),
    rules=(
        module(r"backbone\.conv(?P<i>[123])", "backbone.stem.{i-1}.conv"),
        module(r"backbone\.bn(?P<i>[123])", "backbone.stem.{i-1}.bn"),
        *residual_stages(r"backbone\."),
        module(r"backbone\.head\.stages\.(?P<i>[0123])\.1", "pyramid.branches.{i}.conv"),
        module(r"backbone\.head\.stages\.(?P<i>[0123])\.2", "pyramid.branches.{i}.bn"),
        module(r"backbone\.head\.bottleneck\.0", "reduce.conv"),
        module(r"backbone\.head\.bottleneck\.1", "reduce.bn"),
        module(r"conv_sub1\.(?P<i>[012])" + _PART, "detail.{i}.{part}"),
        module("conv_sub2" + _PART, "middle.{part}"),
        module("conv_sub4" + _PART, "coarse.{part}"),
        module(_FUSION + r"conv_(?P<branch>low|high)\.0", "fusion{step}.{branch}.conv"),
        module(_FUSION + r"conv_(?P<branch>low|high)\.1", "fusion{step}.{branch}.bn"),
        module(r"head\.cff_12\.conv_low_cls", "auxiliary.0.classifier"),
        module(r"head\.cff_24\.conv_low_cls", "auxiliary.1.classifier"),
        module(r"head\.conv_cls", "head.classifier"),
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (ICNET,)

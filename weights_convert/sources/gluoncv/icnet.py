"""ICNet on resnet_v1s."""

from __future__ import annotations

from weights_convert.sources.gluoncv.blocks import RESNET_V1S
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module

_PART = r"\.(?P<part>conv|bn)"
_FUSION = r"head\.cff_(?P<step>12|24)\."

ICNET = RuleLayout(
    name="ICNet on resnet_v1s",
    presets=("icnet_resnet50_gluoncv",),
    rules=(
        *RESNET_V1S,
        module(r"psp_head\.psp\.conv(?P<i>[1234])\.0", "pyramid.branches.{i-1}.conv"),
        module(r"psp_head\.psp\.conv(?P<i>[1234])\.1", "pyramid.branches.{i-1}.bn"),
        module(r"psp_head\.block\.0", "reduce.conv"),
        module(r"psp_head\.block\.1", "reduce.bn"),
        module(r"conv_sub1\.(?P<i>[012])" + _PART, "detail.{i}.{part}"),
        module("conv_sub2" + _PART, "middle.{part}"),
        module("conv_sub4" + _PART, "coarse.{part}"),
        module(_FUSION + r"conv_low\.0", "fusion{step}.low.conv"),
        module(_FUSION + r"conv_low\.1", "fusion{step}.low.bn"),
        module(_FUSION + r"conv_hign\.0", "fusion{step}.high.conv"),  # spelled so there
        module(_FUSION + r"conv_hign\.1", "fusion{step}.high.bn"),
        module(r"head\.cff_12\.conv_low_cls", "auxiliary.0.classifier"),
        module(r"head\.cff_24\.conv_low_cls", "auxiliary.1.classifier"),
        module(r"head\.conv_cls", "head.classifier"),
    ),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (ICNET,)

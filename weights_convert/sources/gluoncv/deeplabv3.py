"""DeepLabv3, and DeepLabv3+ on Xception."""

from __future__ import annotations

from weights_convert.sources.gluoncv.blocks import AUXILIARY, RESNET_V1S, fcn_head
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module
from weights_convert.sources.xception_names import XCEPTION65

_ASPP = (
    module(r"head\.aspp\.concurent\.(?P<i>[0123])\.0", "aspp.branches.{i}.conv"),  # spelt so in the original
    module(r"head\.aspp\.concurent\.(?P<i>[0123])\.1", "aspp.branches.{i}.bn"),
    module(r"head\.aspp\.concurent\.4\.gap\.1", "aspp.pool.conv"),
    module(r"head\.aspp\.concurent\.4\.gap\.2", "aspp.pool.bn"),
    module(r"head\.aspp\.project\.0", "aspp.project.conv"),
    module(r"head\.aspp\.project\.1", "aspp.project.bn"),
)

DEEPLABV3 = RuleLayout(
    name="DeepLabV3 on resnet_v1s",
    presets=("deeplabv3_resnet50_gluoncv", "deeplabv3_resnet101_gluoncv"),
    rules=(*RESNET_V1S, *_ASPP, *fcn_head("head", "head"), *AUXILIARY),
    leaves=MXNET_LEAVES,
)

DEEPLABV3PLUS = RuleLayout(
    name="DeepLabV3Plus on Xception-65",
    presets=("deeplabv3plus_xception65_gluoncv",),
    rules=(
        *XCEPTION65,
        *_ASPP,
        module(r"head\.c1_block\.0", "fusion.low.conv"),
        module(r"head\.c1_block\.1", "fusion.low.bn"),
        module(r"head\.block\.0", "fusion.convs.0.conv"),
        module(r"head\.block\.1", "fusion.convs.0.bn"),
        module(r"head\.block\.4", "head.block.conv"),
        module(r"head\.block\.5", "head.block.bn"),
        module(r"head\.block\.8", "head.classifier"),
        *AUXILIARY,
    ),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (DEEPLABV3, DEEPLABV3PLUS)

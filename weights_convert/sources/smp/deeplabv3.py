"""DeepLabv3 and DeepLabv3+."""

from __future__ import annotations

from weights_convert.sources.rules import COUNTER, Rule, RuleLayout, module
from weights_convert.sources.smp.blocks import RESNET


def _aspp(path: str, *dilated: Rule) -> tuple[Rule, ...]:
    """`dilated`: the rules of convs.1 to .3 but for their batch norms."""
    return (
        module(path + r"\.convs\.0\.0", "aspp.branches.0.conv"),
        module(path + r"\.convs\.0\.1", "aspp.branches.0.bn"),
        *dilated,
        module(path + r"\.convs\.4\.1", "aspp.pool.conv"),
        module(path + r"\.convs\.4\.2", "aspp.pool.bn"),
        module(path + r"\.project\.0", "aspp.project.conv"),
        module(path + r"\.project\.1", "aspp.project.bn"),
    )


DEEPLABV3 = RuleLayout(
    name="DeepLabV3",
    presets=("deeplabv3_resnet50_smp",),
    rules=(
        *RESNET,
        *_aspp(
            r"decoder\.aspp",
            module(r"decoder\.aspp\.convs\.(?P<i>[123])\.0", "aspp.branches.{i}.conv"),
            module(r"decoder\.aspp\.convs\.(?P<i>[123])\.1", "aspp.branches.{i}.bn"),
        ),
        module(r"decoder\.conv", "head.block.conv"),
        module(r"decoder\.bn", "head.block.bn"),
        module(r"segmentation_head\.0", "head.classifier"),
    ),
    dropped=(COUNTER,),
)

DEEPLABV3PLUS = RuleLayout(
    name="DeepLabV3Plus",
    presets=("deeplabv3plus_resnet50_smp",),
    rules=(
        *RESNET,
        *_aspp(
            r"decoder\.aspp\.0",
            module(r"decoder\.aspp\.0\.convs\.(?P<i>[123])\.0\.0", "aspp.branches.{i}.depthwise"),
            module(r"decoder\.aspp\.0\.convs\.(?P<i>[123])\.0\.1", "aspp.branches.{i}.pointwise.conv"),
            module(r"decoder\.aspp\.0\.convs\.(?P<i>[123])\.1", "aspp.branches.{i}.pointwise.bn"),
        ),
        module(r"decoder\.aspp\.1\.0", "fusion.refine.depthwise"),
        module(r"decoder\.aspp\.1\.1", "fusion.refine.pointwise.conv"),
        module(r"decoder\.aspp\.2", "fusion.refine.pointwise.bn"),
        module(r"decoder\.block1\.0", "fusion.low.conv"),
        module(r"decoder\.block1\.1", "fusion.low.bn"),
        module(r"decoder\.block2\.0\.0", "fusion.convs.0.depthwise"),
        module(r"decoder\.block2\.0\.1", "fusion.convs.0.pointwise.conv"),
        module(r"decoder\.block2\.1", "fusion.convs.0.pointwise.bn"),
        module(r"segmentation_head\.0", "head.classifier"),
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (DEEPLABV3, DEEPLABV3PLUS)

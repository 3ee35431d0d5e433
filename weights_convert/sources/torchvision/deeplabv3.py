"""DeepLabv3."""

from __future__ import annotations

from weights_convert.sources.rules import COUNTER, RuleLayout, module
from weights_convert.sources.torchvision.blocks import AUXILIARY, RESNET

DEEPLABV3 = RuleLayout(
    name="DeepLabV3",
    presets=("deeplabv3_resnet50_torchvision", "deeplabv3_resnet101_torchvision"),
    rules=(
        *RESNET,
        module(r"classifier\.0\.convs\.(?P<i>[0123])\.0", "aspp.branches.{i}.conv"),
        module(r"classifier\.0\.convs\.(?P<i>[0123])\.1", "aspp.branches.{i}.bn"),
        module(r"classifier\.0\.convs\.4\.1", "aspp.pool.conv"),
        module(r"classifier\.0\.convs\.4\.2", "aspp.pool.bn"),
        module(r"classifier\.0\.project\.0", "aspp.project.conv"),
        module(r"classifier\.0\.project\.1", "aspp.project.bn"),
        module(r"classifier\.1", "head.block.conv"),
        module(r"classifier\.2", "head.block.bn"),
        module(r"classifier\.4", "head.classifier"),
        *AUXILIARY,
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (DEEPLABV3,)

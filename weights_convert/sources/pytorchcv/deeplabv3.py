"""DeepLabv3."""

from __future__ import annotations

from weights_convert.sources.pytorchcv.blocks import NAMINGS, Naming, head, pair
from weights_convert.sources.rules import RuleLayout


def _layout(naming: Naming) -> RuleLayout:
    convolved, pooled = ("[1234]", "branch5") if naming.shift else ("[0123]", "4")
    return naming.layout(
        "DeepLabv3",
        ("deeplabv3_resnet50_gluoncv", "deeplabv3_resnet101_gluoncv"),
        *naming.backbone(),
        pair(rf"pool\.branches\.{naming.child('branch', 'i', convolved)}", f"aspp.branches.{naming.at('i')}"),
        pair(rf"pool\.branches\.{pooled}\.conv", "aspp.pool"),
        pair(r"pool\.conv", "aspp.project"),
        *head("final_block", "head"),
        *head("aux_block", "auxiliary.0"),
    )


LAYOUTS = tuple(_layout(naming) for naming in NAMINGS)

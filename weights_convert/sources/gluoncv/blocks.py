"""What the segmentation networks of this origin share: GluonCV's resnet_v1s and its FCN head."""

from __future__ import annotations

from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import Rule, module

RESNET_V1S = (*nested_deep_stem(), *residual_stages())


def fcn_head(pattern: str, target: str) -> tuple[Rule, ...]:
    """`block`: convolution, batch norm, ReLU, dropout, classifier."""
    return (
        module(pattern + r"\.block\.0", target + ".block.conv"),
        module(pattern + r"\.block\.1", target + ".block.bn"),
        module(pattern + r"\.block\.4", target + ".classifier"),
    )


AUXILIARY = fcn_head("auxlayer", "auxiliary.0")

"""What the segmentation networks of this origin share: the ResNet and the FCN head."""

from __future__ import annotations

from weights_convert.sources.resnet_names import residual_stages
from weights_convert.sources.rules import Rule, module

RESNET = (
    module(r"backbone\.conv1", "backbone.stem.0.conv"),
    module(r"backbone\.bn1", "backbone.stem.0.bn"),
    *residual_stages(r"backbone\."),
)


def fcn_head(pattern: str, target: str) -> tuple[Rule, ...]:
    """Convolution, batch norm, ReLU, dropout, classifier."""
    return (
        module(pattern + r"\.0", target + ".block.conv"),
        module(pattern + r"\.1", target + ".block.bn"),
        module(pattern + r"\.4", target + ".classifier"),
    )


AUXILIARY = fcn_head("aux_classifier", "auxiliary.0")

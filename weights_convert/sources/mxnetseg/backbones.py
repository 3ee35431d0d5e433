"""GluonCV's ResNets, as the networks of this origin hold them."""

from __future__ import annotations

from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import Drop, module

RESNET_V1S = (*nested_deep_stem(), *residual_stages())
RESNET_V1B = (
    module(r"conv1", "backbone.stem.0.conv"),
    module(r"bn1", "backbone.stem.0.bn"),
    *residual_stages(),
)
IMAGENET_CLASSIFIER = Drop(r"fc\.(weight|bias)", "GluonCV's ImageNet classifier, takes no part in the output")

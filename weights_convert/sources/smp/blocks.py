"""What the networks of this origin share: torchvision's ResNet as encoder."""

from __future__ import annotations

from weights_convert.sources.resnet_names import residual_stages
from weights_convert.sources.rules import module

RESNET = (
    module(r"encoder\.conv1", "backbone.stem.0.conv"),
    module(r"encoder\.bn1", "backbone.stem.0.bn"),
    *residual_stages(r"encoder\."),
)

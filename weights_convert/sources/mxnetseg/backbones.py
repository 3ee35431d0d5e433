"""GluonCV's ResNets and MobileNetV2, as the networks of this origin hold them."""

from __future__ import annotations

from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import Drop, Rule, module

RESNET_V1S = (*nested_deep_stem(), *residual_stages())
RESNET_V1B = (
    module(r"conv1", "backbone.stem.0.conv"),
    module(r"bn1", "backbone.stem.0.bn"),
    *residual_stages(),
)


def _inverted(path: str, block: str) -> tuple[Rule, ...]:
    return (
        module(path + r"\.out\.0", block + ".expand.conv"),
        module(path + r"\.out\.1", block + ".expand.bn"),
        module(path + r"\.out\.3", block + ".depthwise.conv"),
        module(path + r"\.out\.4", block + ".depthwise.bn"),
        module(path + r"\.out\.6", block + ".project.conv"),
        module(path + r"\.out\.7", block + ".project.bn"),
    )


# The blocks of layer1 stand behind the stem's three layers; the first does not expand.
MOBILENET_V2 = (
    module(r"layer1\.0", "backbone.stem.conv"),
    module(r"layer1\.1", "backbone.stem.bn"),
    module(r"layer1\.3\.out\.0", "backbone.blocks.0.depthwise.conv"),
    module(r"layer1\.3\.out\.1", "backbone.blocks.0.depthwise.bn"),
    module(r"layer1\.3\.out\.3", "backbone.blocks.0.project.conv"),
    module(r"layer1\.3\.out\.4", "backbone.blocks.0.project.bn"),
    *_inverted(r"layer1\.(?P<i>[45])", "backbone.blocks.{i-3}"),
    *_inverted(r"layer2\.(?P<i>[012])", "backbone.blocks.{i+3}"),
    *_inverted(r"layer3\.(?P<i>[0-6])", "backbone.blocks.{i+6}"),
    *_inverted(r"layer4\.(?P<i>[0123])", "backbone.blocks.{i+13}"),
)
IMAGENET_CLASSIFIER = Drop(r"fc\.(weight|bias)", "GluonCV's ImageNet classifier, takes no part in the output")

"""PSPNet."""

from __future__ import annotations

from weights_convert.sources.resnet_names import residual
from weights_convert.sources.rules import COUNTER, Drop, RuleLayout, module

_PYRAMID = r"decoder\.psp\.blocks\."

PSPNET = RuleLayout(
    name="PSPNet",
    presets=("pspnet_resnet50_smp",),
    rules=(
        module(r"encoder\.conv1", "backbone.stem.0.conv"),
        module(r"encoder\.bn1", "backbone.stem.0.bn"),
        *residual(r"encoder\.layer(?P<stage>[12])\.(?P<block>\d+)", "backbone.layer{stage}.{block}"),
        module(_PYRAMID + r"0\.pool\.1\.0", "pyramid.branches.0.conv"),
        module(_PYRAMID + r"(?P<i>[123])\.pool\.1\.0", "pyramid.branches.{i}.conv"),
        module(_PYRAMID + r"(?P<i>[123])\.pool\.1\.1", "pyramid.branches.{i}.bn"),
        module(r"decoder\.conv\.0", "head.block.conv"),
        module(r"decoder\.conv\.1", "head.block.bn"),
        module(r"segmentation_head\.0", "head.classifier"),
    ),
    dropped=(COUNTER, Drop(r"encoder\.layer[34]\..*", "stages that the original holds and never runs")),
)

LAYOUTS = (PSPNET,)

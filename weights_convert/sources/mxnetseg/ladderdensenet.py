"""LadderDenseNet on GluonCV's DenseNets."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.aspp import AUXILIARY
from weights_convert.sources.rules import MXNET_LEAVES, Rule, RuleLayout, module


def _dense_block(path: str, target: str) -> tuple[Rule, ...]:
    """A block is the input beside a list: batch norm, ReLU, 1x1, batch norm, ReLU, 3x3."""
    return (
        module(path + r"\.1\.0", target + ".norm1.bn"),
        module(path + r"\.1\.2", target + ".conv1"),
        module(path + r"\.1\.3", target + ".norm2.bn"),
        module(path + r"\.1\.5", target + ".conv2"),
    )


# Transitions stand before the blocks of layer2 to layer4.
_DENSENET = (
    module(r"stem\.0", "backbone.stem.conv"),
    module(r"stem\.1", "backbone.stem.bn"),
    *_dense_block(r"layer1\.0\.(?P<i>\d+)", "backbone.layer1.blocks.{i}"),
    *_dense_block(r"layer(?P<stage>[234])\.1\.(?P<i>\d+)", "backbone.layer{stage}.blocks.{i}"),
    module(r"layer(?P<stage>[234])\.0\.0", "backbone.layer{stage}.transition.norm.bn"),
    module(r"layer(?P<stage>[234])\.0\.2", "backbone.layer{stage}.transition.conv"),
    module(r"layer4\.2", "backbone.norm.bn"),
)

LADDERDENSENET = RuleLayout(
    name="LadderDenseNet",
    presets=tuple(f"ladderdensenet_densenet{depth}_mxnetseg" for depth in (121, 161, 169, 201)),
    rules=(
        *_DENSENET,
        module(r"head\.conv_c4\.(?P<part>conv|bn)", "top.{part}"),
        module(r"head\.fusion_c(?P<stage>[123])\.conv1x1\.(?P<part>conv|bn)", "steps.{3-stage}.lateral.{part}"),
        module(r"head\.fusion_c(?P<stage>[123])\.conv3x3\.(?P<part>conv|bn)", "steps.{3-stage}.smooth.{part}"),
        module(r"head\.seg_head\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
        module(r"head\.seg_head\.conv2", "head.classifier"),
        *AUXILIARY,
    ),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (LADDERDENSENET,)

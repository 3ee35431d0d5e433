"""GFFNet on GluonCV's resnet_v1b."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, RESNET_V1B
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module

GFFNET = RuleLayout(
    name="GFFNet on GluonCV's resnet_v1b",
    presets=("gffnet_resnet18_mxnetseg",),
    rules=(
        *RESNET_V1B,
        module(r"head\.ppm\.0\.conv(?P<i>[1234])\.(?P<part>conv|bn)", "pyramid.branches.{i-1}.{part}"),
        module(r"head\.ppm\.1\.(?P<part>conv|bn)", "context.{part}"),
        module(r"head\.conv1x1_(?P<i>[1234])\.(?P<part>conv|bn)", "reduce.{i-1}.{part}"),
        module(r"head\.gate_(?P<i>[1234])\.conv", "gates.{i-1}"),
        module(r"head\.fusion_(?P<i>[1234])\.(?P<j>[01])\.(?P<part>conv|bn)", "fuse.{i-1}.{j}.{part}"),
        module(r"head\.dfp\.blk_(?P<i>[1234])\.(?P<part>conv|bn)", "dense.{i-1}.{part}"),
        module(r"head\.dfp\.head\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
        module(r"head\.dfp\.head\.conv2", "head.classifier"),
        module(r"aux_head\.conv1\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
        module(r"aux_head\.conv2", "auxiliary.0.classifier"),
    ),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (GFFNET,)

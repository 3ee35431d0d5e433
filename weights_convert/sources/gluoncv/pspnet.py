"""PSPNet."""

from __future__ import annotations

from weights_convert.sources.gluoncv.blocks import AUXILIARY, RESNET_V1S
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module

PSPNET = RuleLayout(
    name="PSPNet on resnet_v1s",
    presets=("pspnet_resnet50_gluoncv", "pspnet_resnet101_gluoncv"),
    rules=(
        *RESNET_V1S,
        module(r"head\.psp\.conv(?P<i>[1234])\.0", "pyramid.branches.{i-1}.conv"),
        module(r"head\.psp\.conv(?P<i>[1234])\.1", "pyramid.branches.{i-1}.bn"),
        module(r"head\.block\.0", "head.block.conv"),
        module(r"head\.block\.1", "head.block.bn"),
        module(r"head\.block\.4", "head.classifier"),
        *AUXILIARY,
    ),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (PSPNET,)

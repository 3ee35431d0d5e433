"""PSPNet: the stem of its trunk lies flat (conv1, conv2, conv3)."""

from __future__ import annotations

from weights_convert.sources.gald_net.auxiliary import AUXILIARY
from weights_convert.sources.resnet_names import residual_stages
from weights_convert.sources.rules import COUNTER, RuleLayout, module

PSPNET = RuleLayout(
    name="PSPNet",
    presets=("pspnet_resnet50_gald", "pspnet_resnet101_gald"),
    rules=(
        module(r"conv(?P<i>[123])", "backbone.stem.{i-1}.conv"),
        module(r"bn(?P<i>[123])", "backbone.stem.{i-1}.bn"),
        *residual_stages(),
        module(r"head\.0\.stages\.(?P<i>\d)\.1", "pyramid.branches.{i}.conv"),
        module(r"head\.0\.stages\.(?P<i>\d)\.2", "pyramid.branches.{i}.bn"),
        module(r"head\.0\.bottleneck\.0", "head.block.conv"),
        module(r"head\.0\.bottleneck\.1", "head.block.bn"),
        module(r"head\.1", "head.classifier"),
        *AUXILIARY,
        module(r"dsn\.4", "auxiliary.0.classifier"),
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (PSPNET,)

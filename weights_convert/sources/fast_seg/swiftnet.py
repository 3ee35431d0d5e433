"""SwiftNet on ResNet-18."""

from __future__ import annotations

from weights_convert.sources.resnet_names import residual_stages
from weights_convert.sources.rules import COUNTER, Rule, RuleLayout, module


def _unit(pattern: str, target: str) -> tuple[Rule, ...]:
    """A unit of norm, ReLU and convolution."""
    return (module(pattern + r"\.norm", target + ".bn"), module(pattern + r"\.conv", target + ".conv"))


SWIFTNET = RuleLayout(
    name="SwiftNet",
    presets=("swiftnet_resnet18_fastseg",),
    rules=(
        module(r"conv1", "backbone.stem.0.conv"),
        module(r"bn1", "backbone.stem.0.bn"),
        *residual_stages(),
        *_unit(r"spp\.spp\.spp_bn", "pyramid.reduce"),
        *_unit(r"spp\.spp\.spp(?P<i>[012])", "pyramid.branches.{i}"),
        *_unit(r"spp\.spp\.spp_fuse", "pyramid.fuse"),
        *_unit(r"upsample\.(?P<i>[012])\.bottleneck", "ladder.{i}.lateral"),
        *_unit(r"upsample\.(?P<i>[012])\.blend_conv", "ladder.{i}.blend"),
        module(r"dsn\.0", "auxiliary.0.block.conv"),
        module(r"dsn\.1", "auxiliary.0.block.bn"),
        module(r"dsn\.4", "auxiliary.0.classifier"),
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (SWIFTNET,)

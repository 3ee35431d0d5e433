"""BiSeNet, built with or without its auxiliary heads."""

from __future__ import annotations

from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import COUNTER, RuleLayout, module

_SPATIAL = r"spatial_path\.conv_"
_PART = r"\.(?P<part>conv|bn)"

BISENET = RuleLayout(
    name="BiSeNet",
    presets=("bisenet_resnet18_fastseg",),
    rules=(
        *nested_deep_stem(r"backbone\.conv1\.", r"backbone\.bn1"),
        *residual_stages(r"backbone\."),
        module(_SPATIAL + "7x7" + _PART, "spatial.0.{part}"),
        module(_SPATIAL + r"3x3_(?P<i>[12])" + _PART, "spatial.{i}.{part}"),
        module(_SPATIAL + "1x1" + _PART, "spatial.3.{part}"),
        module(r"global_context\.1" + _PART, "context.globe.{part}"),
        module(r"arms\.(?P<i>[01])\.conv_3x3" + _PART, "context.arms.{i}.conv.{part}"),
        module(r"arms\.(?P<i>[01])\.channel_attention\.1" + _PART, "context.arms.{i}.gate.convs.0.{part}"),
        module(r"refines\.(?P<i>[01])" + _PART, "context.refines.{i}.{part}"),
        module(r"ffm\.conv_1x1" + _PART, "fusion.conv.{part}"),
        module(r"ffm\.channel_attention\.(?P<i>[12])\.conv", "fusion.gate.convs.{i-1}.conv"),
        module(r"heads\.(?P<i>[01])\.conv_3x3" + _PART, "auxiliary.{i}.block.{part}"),
        module(r"heads\.(?P<i>[01])\.conv_1x1", "auxiliary.{i}.classifier"),
        module(r"heads\.2\.conv_3x3" + _PART, "head.block.{part}"),
        module(r"heads\.2\.conv_1x1", "head.classifier"),
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (BISENET,)

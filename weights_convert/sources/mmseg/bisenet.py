"""BiSeNetV1 on ResNet-18: backbone and neck are all `backbone` there."""

from __future__ import annotations

from weights_convert.sources.mmseg.heads import INDEXED_AUXILIARY
from weights_convert.sources.resnet_names import residual_stages
from weights_convert.sources.rules import COUNTER, RuleLayout, module

_CONTEXT = r"backbone\.context_path\."
_PART = r"\.(?P<part>conv|bn)"

BISENET = RuleLayout(
    name="BiSeNetV1",
    presets=("bisenet_resnet18_mmseg",),
    rules=(
        module(_CONTEXT + r"backbone\.conv1", "backbone.stem.0.conv"),
        module(_CONTEXT + r"backbone\.bn1", "backbone.stem.0.bn"),
        *residual_stages(_CONTEXT + r"backbone\."),
        module(r"backbone\.spatial_path\.layer(?P<i>[1234])" + _PART, "spatial.{i-1}.{part}"),
        module(_CONTEXT + r"gap_conv\.1" + _PART, "context.globe.{part}"),
        module(_CONTEXT + r"arm32\.conv_layer" + _PART, "context.arms.0.conv.{part}"),
        module(_CONTEXT + r"arm32\.atten_conv_layer\.1" + _PART, "context.arms.0.gate.convs.0.{part}"),
        module(_CONTEXT + r"arm16\.conv_layer" + _PART, "context.arms.1.conv.{part}"),
        module(_CONTEXT + r"arm16\.atten_conv_layer\.1" + _PART, "context.arms.1.gate.convs.0.{part}"),
        module(_CONTEXT + "conv_head32" + _PART, "context.refines.0.{part}"),
        module(_CONTEXT + "conv_head16" + _PART, "context.refines.1.{part}"),
        module(r"backbone\.ffm\.conv1" + _PART, "fusion.conv.{part}"),
        module(r"backbone\.ffm\.conv_atten\.0" + _PART, "fusion.gate.convs.0.{part}"),
        module(r"decode_head\.convs\.0" + _PART, "head.block.{part}"),
        module(r"decode_head\.conv_seg", "head.classifier"),
        *INDEXED_AUXILIARY,
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (BISENET,)

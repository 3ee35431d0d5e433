"""ICNet on ResNetV1c: pyramid and branches are in `backbone` there."""

from __future__ import annotations

from weights_convert.sources.mmseg.heads import INDEXED_AUXILIARY
from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import COUNTER, RuleLayout, module

_PART = r"\.(?P<part>conv|bn)"

ICNET = RuleLayout(
    name="ICNet",
    presets=("icnet_resnet50_mmseg",),
    rules=(
        *nested_deep_stem(r"backbone\.backbone\.stem\.", r"backbone\.backbone\.stem\.7"),
        *residual_stages(r"backbone\.backbone\."),
        module(r"backbone\.psp_modules\.(?P<i>[0123])\.1" + _PART, "pyramid.branches.{i}.{part}"),
        module(r"backbone\.psp_bottleneck" + _PART, "reduce.{part}"),
        module(r"backbone\.conv_sub1\.(?P<i>[012])" + _PART, "detail.{i}.{part}"),
        module(r"backbone\.conv_sub2" + _PART, "middle.{part}"),
        module(r"backbone\.conv_sub4" + _PART, "coarse.{part}"),
        module(r"neck\.cff_(?P<step>12|24)\.conv_(?P<branch>low|high)" + _PART, "fusion{step}.{branch}.{part}"),
        module(r"decode_head\.convs\.0" + _PART, "head.block.{part}"),
        module(r"decode_head\.conv_seg", "head.classifier"),
        *INDEXED_AUXILIARY,
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (ICNET,)

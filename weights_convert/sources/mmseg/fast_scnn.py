"""Fast-SCNN."""

from __future__ import annotations

from weights_convert.sources.mmseg.heads import INDEXED_AUXILIARY
from weights_convert.sources.rules import COUNTER, Rule, RuleLayout, module

_DOWN = r"backbone\.learning_to_downsample\."
_BLOCK = r"backbone\.global_feature_extractor\.bottleneck(?P<group>[123])\.(?P<i>\d+)\.conv\."
_GLOBAL = r"backbone\.global_feature_extractor\."
_FUSION = r"backbone\.feature_fusion\."


def _separable(pattern: str, target: str) -> tuple[Rule, ...]:
    return (module(pattern + r"\.(?P<step>depthwise|pointwise)_conv\.(?P<part>conv|bn)", target + ".{step}.{part}"),)


FAST_SCNN = RuleLayout(
    name="FastSCNN",
    presets=("fast_scnn_mmseg",),
    rules=(
        module(_DOWN + r"conv\.(?P<part>conv|bn)", "detail.0.{part}"),
        *_separable(_DOWN + r"dsconv(?P<i>[12])", "detail.{i}"),
        module(_BLOCK + r"0\.(?P<part>conv|bn)", "context.groups.{group-1}.{i}.expand.{part}"),
        module(_BLOCK + r"1\.(?P<part>conv|bn)", "context.groups.{group-1}.{i}.depthwise.{part}"),
        module(_BLOCK + r"2\.(?P<part>conv|bn)", "context.groups.{group-1}.{i}.project.{part}"),
        module(_GLOBAL + r"ppm\.(?P<i>\d)\.1\.(?P<part>conv|bn)", "context.pyramid.branches.{i}.{part}"),
        module(_GLOBAL + r"out\.(?P<part>conv|bn)", "context.out.{part}"),
        module(_FUSION + r"dwconv\.(?P<part>conv|bn)", "fusion.depthwise.{part}"),
        module(_FUSION + r"conv_lower_res\.(?P<part>conv|bn)", "fusion.context.{part}"),
        module(_FUSION + r"conv_higher_res\.(?P<part>conv|bn)", "fusion.detail.{part}"),
        *_separable(r"decode_head\.convs\.(?P<i>[01])", "head.convs.{i}"),
        module(r"decode_head\.conv_seg", "head.classifier"),
        *INDEXED_AUXILIARY,
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (FAST_SCNN,)

"""DeepLabv3 and DeepLabv3+ on ResNetV1c."""

from __future__ import annotations

from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import COUNTER, Rule, RuleLayout, module

_SHARED = (
    *nested_deep_stem(r"backbone\.stem\.", r"backbone\.stem\.7"),
    *residual_stages(r"backbone\."),
    module(r"decode_head\.image_pool\.1\.(?P<part>conv|bn)", "aspp.pool.{part}"),
    module(r"decode_head\.aspp_modules\.0\.(?P<part>conv|bn)", "aspp.branches.0.{part}"),
    module(r"decode_head\.bottleneck\.(?P<part>conv|bn)", "aspp.project.{part}"),
    module(r"decode_head\.conv_seg", "head.classifier"),
    module(r"auxiliary_head\.convs\.0\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
    module(r"auxiliary_head\.conv_seg", "auxiliary.0.classifier"),
)


def _separable(pattern: str, target: str) -> Rule:
    return module(pattern + r"\.(?P<half>depth|point)wise_conv\.(?P<part>conv|bn)", target + ".{half}wise.{part}")


DEEPLABV3 = RuleLayout(
    name="DeepLabv3",
    presets=("deeplabv3_resnet50_mmseg", "deeplabv3_resnet101_mmseg"),
    rules=(
        *_SHARED,
        module(r"decode_head\.aspp_modules\.(?P<i>[123])\.(?P<part>conv|bn)", "aspp.branches.{i}.{part}"),
    ),
    dropped=(COUNTER,),
)

DEEPLABV3PLUS = RuleLayout(
    name="DeepLabv3+",
    presets=("deeplabv3plus_resnet50_mmseg", "deeplabv3plus_resnet101_mmseg"),
    rules=(
        *_SHARED,
        _separable(r"decode_head\.aspp_modules\.(?P<i>[123])", "aspp.branches.{i}"),
        module(r"decode_head\.c1_bottleneck\.(?P<part>conv|bn)", "fusion.low.{part}"),
        _separable(r"decode_head\.sep_bottleneck\.(?P<i>[01])", "fusion.convs.{i}"),
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (DEEPLABV3, DEEPLABV3PLUS)

"""PSPNet on ResNetV1c."""

from __future__ import annotations

from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import COUNTER, RuleLayout, module

PSPNET = RuleLayout(
    name="PSPNet",
    presets=("pspnet_resnet50_mmseg",),
    rules=(
        *nested_deep_stem(r"backbone\.stem\.", r"backbone\.stem\.7"),
        *residual_stages(r"backbone\."),
        module(r"decode_head\.psp_modules\.(?P<i>\d)\.1\.(?P<part>conv|bn)", "pyramid.branches.{i}.{part}"),
        module(r"decode_head\.bottleneck\.(?P<part>conv|bn)", "head.block.{part}"),
        module(r"decode_head\.conv_seg", "head.classifier"),
        module(r"auxiliary_head\.convs\.0\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
        module(r"auxiliary_head\.conv_seg", "auxiliary.0.classifier"),
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (PSPNET,)

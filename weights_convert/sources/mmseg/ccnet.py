"""CCNet on ResNetV1c."""

from __future__ import annotations

from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import COUNTER, RuleLayout, module, tensor

CCNET = RuleLayout(
    name="CCNet",
    presets=("ccnet_resnet50_mmseg", "ccnet_resnet101_mmseg"),
    rules=(
        *nested_deep_stem(r"backbone\.stem\.", r"backbone\.stem\.7"),
        *residual_stages(r"backbone\."),
        module(r"decode_head\.convs\.0\.(?P<part>conv|bn)", "reduce.{part}"),
        module(r"decode_head\.cca\.(?P<part>query|key|value)_conv", "attention.{part}"),
        tensor(r"decode_head\.cca\.gamma\.scale", "attention.gamma"),
        module(r"decode_head\.convs\.1\.(?P<part>conv|bn)", "refine.{part}"),
        module(r"decode_head\.conv_cat\.(?P<part>conv|bn)", "head.block.{part}"),
        module(r"decode_head\.conv_seg", "head.classifier"),
        module(r"auxiliary_head\.convs\.0\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
        module(r"auxiliary_head\.conv_seg", "auxiliary.0.classifier"),
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (CCNET,)

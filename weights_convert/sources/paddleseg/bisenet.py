"""BiSeNetV1 on ResNet18_vd."""

from __future__ import annotations

from weights_convert.sources.paddleseg.blocks import RESNET_VD, conv_bn
from weights_convert.sources.rules import PADDLE_LEAVES, RuleLayout, module

BISENET = RuleLayout(
    name="BiSeNetV1",
    presets=("bisenet_resnet18_vd_paddleseg",),
    rules=(
        *RESNET_VD,
        *conv_bn(r"spatial_path\.conv_7x7", "spatial.0"),
        *conv_bn(r"spatial_path\.conv_3x3_(?P<i>[12])", "spatial.{i}"),
        *conv_bn(r"spatial_path\.conv_1x1", "spatial.3"),
        *conv_bn(r"global_context\.1", "context.globe"),
        *conv_bn(r"arms\.(?P<i>[01])\.conv_3x3", "context.arms.{i}.conv"),
        *conv_bn(r"arms\.(?P<i>[01])\.channel_attention\.1", "context.arms.{i}.gate.convs.0"),
        *conv_bn(r"refines\.(?P<i>[01])", "context.refines.{i}"),
        *conv_bn(r"ffm\.conv_1x1", "fusion.conv"),
        *conv_bn(r"ffm\.channel_attention\.(?P<i>[12])", "fusion.gate.convs.{i-1}"),
        *conv_bn(r"heads\.(?P<i>[01])\.conv_3x3", "auxiliary.{i}.block"),
        module(r"heads\.(?P<i>[01])\.conv_1x1", "auxiliary.{i}.classifier"),
        *conv_bn(r"heads\.2\.conv_3x3", "head.block"),
        module(r"heads\.2\.conv_1x1", "head.classifier"),
    ),
    leaves=PADDLE_LEAVES,
)

LAYOUTS = (BISENET,)

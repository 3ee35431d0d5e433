"""DeepLabv3 and DeepLabv3+ on ResNet_vd."""

from __future__ import annotations

from weights_convert.sources.paddleseg.blocks import RESNET_VD, conv_bn
from weights_convert.sources.rules import PADDLE_LEAVES, Rule, RuleLayout, module

_ASPP = (
    *conv_bn(r"head\.aspp\.aspp_blocks\.0", "aspp.branches.0"),
    *conv_bn(r"head\.aspp\.global_avg_pool\.1", "aspp.pool"),
    *conv_bn(r"head\.aspp\.conv_bn_relu", "aspp.project"),
)


def _separable(pattern: str, target: str) -> tuple[Rule, ...]:
    return (
        *conv_bn(pattern + r"\.depthwise_conv", target + ".depthwise"),
        *conv_bn(pattern + r"\.piontwise_conv", target + ".pointwise"),  # spelt so in the original
    )


DEEPLABV3 = RuleLayout(
    name="DeepLabV3",
    presets=("deeplabv3_resnet50_vd_paddleseg", "deeplabv3_resnet101_vd_paddleseg"),
    rules=(
        *RESNET_VD,
        *_ASPP,
        *conv_bn(r"head\.aspp\.aspp_blocks\.(?P<i>[123])", "aspp.branches.{i}"),
        module(r"head\.cls", "head.classifier"),
    ),
    leaves=PADDLE_LEAVES,
)

DEEPLABV3PLUS = RuleLayout(
    name="DeepLabV3P",
    presets=("deeplabv3plus_resnet50_vd_paddleseg", "deeplabv3plus_resnet101_vd_paddleseg"),
    rules=(
        *RESNET_VD,
        *_ASPP,
        *_separable(r"head\.aspp\.aspp_blocks\.(?P<i>[123])", "aspp.branches.{i}"),
        *conv_bn(r"head\.decoder\.conv_bn_relu1", "fusion.low"),
        *_separable(r"head\.decoder\.conv_bn_relu2", "fusion.convs.0"),
        *_separable(r"head\.decoder\.conv_bn_relu3", "fusion.convs.1"),
        module(r"head\.decoder\.conv", "head.classifier"),
    ),
    leaves=PADDLE_LEAVES,
)

LAYOUTS = (DEEPLABV3, DEEPLABV3PLUS)

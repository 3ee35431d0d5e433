"""Fast-SCNN."""

from __future__ import annotations

from weights_convert.sources.paddleseg.blocks import conv_bn
from weights_convert.sources.rules import PADDLE_LEAVES, Rule, RuleLayout, module

_DOWN = r"learning_to_downsample\."
_BLOCK = r"global_feature_extractor\.bottleneck(?P<group>[123])\.(?P<i>\d+)\.block\."
_PYRAMID = r"global_feature_extractor\.ppm\."


def _separable(pattern: str, target: str) -> tuple[Rule, ...]:
    return (
        *conv_bn(pattern + r"\.depthwise_conv", target + ".depthwise"),
        *conv_bn(pattern + r"\.piontwise_conv", target + ".pointwise"),  # spelt so in the original
    )


FAST_SCNN = RuleLayout(
    name="FastSCNN",
    presets=("fast_scnn_paddleseg",),
    rules=(
        *conv_bn(_DOWN + r"conv_bn_relu", "detail.0"),
        *_separable(_DOWN + r"dsconv_bn_relu(?P<i>[12])", "detail.{i}"),
        *conv_bn(_BLOCK + r"0", "context.groups.{group-1}.{i}.expand"),
        *conv_bn(_BLOCK + r"1", "context.groups.{group-1}.{i}.depthwise"),
        *conv_bn(_BLOCK + r"2", "context.groups.{group-1}.{i}.project"),
        *conv_bn(_PYRAMID + r"stages\.(?P<i>[0123])\.1", "context.pyramid.branches.{3-i}"),
        *conv_bn(_PYRAMID + r"conv_bn_relu2", "context.out"),
        *conv_bn(r"feature_fusion\.dwconv", "fusion.depthwise"),
        *conv_bn(r"feature_fusion\.conv_low_res", "fusion.context"),
        *conv_bn(r"feature_fusion\.conv_high_res", "fusion.detail"),
        *_separable(r"classifier\.dsconv(?P<i>[12])", "head.convs.{i-1}"),
        module(r"classifier\.conv", "head.classifier"),
        *conv_bn(r"auxlayer\.conv_bn_relu", "auxiliary.0.block"),
        module(r"auxlayer\.conv", "auxiliary.0.classifier"),
    ),
    leaves=PADDLE_LEAVES,
)

LAYOUTS = (FAST_SCNN,)

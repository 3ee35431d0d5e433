"""Fast-SCNN, with and without its auxiliary head."""

from __future__ import annotations

from weights_convert.sources.gluoncv.blocks import AUXILIARY
from weights_convert.sources.rules import MXNET_LEAVES, Rule, RuleLayout, module

_DOWN = r"learning_to_downsample\."
_BLOCK = r"global_feature_extractor\.bottleneck(?P<group>[123])\.(?P<i>\d+)\.block\."
_TARGET = "context.groups.{group-1}.{i}."
_PYRAMID = r"global_feature_extractor\.ppm\."


def _separable(pattern: str, target: str) -> tuple[Rule, ...]:
    """Depthwise convolution, norm, ReLU, pointwise convolution, norm in one sequence `conv`."""
    return (
        module(pattern + r"\.conv\.0", target + ".depthwise.conv"),
        module(pattern + r"\.conv\.1", target + ".depthwise.bn"),
        module(pattern + r"\.conv\.3", target + ".pointwise.conv"),
        module(pattern + r"\.conv\.4", target + ".pointwise.bn"),
    )


def _pair(pattern: str, target: str) -> tuple[Rule, ...]:
    """Convolution and norm, numbered 0 and 1."""
    return module(pattern + r"\.0", target + ".conv"), module(pattern + r"\.1", target + ".bn")


FAST_SCNN = RuleLayout(
    name="FastSCNN",
    presets=("fast_scnn", "fast_scnn_aux"),
    rules=(
        *_pair(_DOWN + r"conv\.block", "detail.0"),
        *_separable(_DOWN + r"dsconv(?P<i>[12])", "detail.{i}"),
        *_pair(_BLOCK + r"0\.block", _TARGET + "expand"),
        *_pair(_BLOCK + r"1\.conv", _TARGET + "depthwise"),
        module(_BLOCK + "2", _TARGET + "project.conv"),
        module(_BLOCK + "3", _TARGET + "project.bn"),
        *_pair(_PYRAMID + r"conv(?P<i>[1234])", "context.pyramid.branches.{i-1}"),
        *_pair(_PYRAMID + r"out\.block", "context.out"),
        *_pair(r"feature_fusion\.dwconv\.conv", "fusion.depthwise"),
        module(r"feature_fusion\.conv_lower_res", "fusion.context.conv"),
        module(r"feature_fusion\.bn", "fusion.context.bn"),
        module(r"feature_fusion\.conv_higher_res", "fusion.detail.conv"),
        module(r"feature_fusion\.bn_high", "fusion.detail.bn"),
        *_separable(r"classifier\.dsconv(?P<i>[12])", "head.convs.{i-1}"),
        module(r"classifier\.conv", "head.classifier"),
        *AUXILIARY,
    ),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (FAST_SCNN,)

"""Fast-SCNN, with and without its auxiliary head."""

from __future__ import annotations

from weights_convert.sources.rules import COUNTER, Rule, RuleLayout, module


def _separable(pattern: str, target: str) -> tuple[Rule, ...]:
    """Depthwise convolution, norm, (ReLU), pointwise convolution, norm in one Sequential `conv`."""
    return (
        module(pattern + r"\.conv\.0", target + ".depthwise.conv"),
        module(pattern + r"\.conv\.1", target + ".depthwise.bn"),
        module(pattern + r"\.conv\.3", target + ".pointwise.conv"),
        module(pattern + r"\.conv\.4", target + ".pointwise.bn"),
    )


_DOWN = r"learning_to_downsample\."
_BLOCK = r"global_feature_extractor\.bottleneck(?P<group>[123])\.(?P<i>\d+)\.block\."
_PYRAMID = r"global_feature_extractor\.ppm\."

FAST_SCNN = RuleLayout(
    name="FastSCNN",
    presets=("fast_scnn", "fast_scnn_aux"),
    rules=(
        module(_DOWN + r"conv\.conv\.0", "detail.0.conv"),
        module(_DOWN + r"conv\.conv\.1", "detail.0.bn"),
        *_separable(_DOWN + r"dsconv(?P<i>[12])", "detail.{i}"),
        module(_BLOCK + r"0\.conv\.0", "context.groups.{group-1}.{i}.expand.conv"),
        module(_BLOCK + r"0\.conv\.1", "context.groups.{group-1}.{i}.expand.bn"),
        module(_BLOCK + r"1\.conv\.0", "context.groups.{group-1}.{i}.depthwise.conv"),
        module(_BLOCK + r"1\.conv\.1", "context.groups.{group-1}.{i}.depthwise.bn"),
        module(_BLOCK + r"2", "context.groups.{group-1}.{i}.project.conv"),
        module(_BLOCK + r"3", "context.groups.{group-1}.{i}.project.bn"),
        module(_PYRAMID + r"conv(?P<i>[1234])\.conv\.0", "context.pyramid.branches.{i-1}.conv"),
        module(_PYRAMID + r"conv(?P<i>[1234])\.conv\.1", "context.pyramid.branches.{i-1}.bn"),
        module(_PYRAMID + r"out\.conv\.0", "context.out.conv"),
        module(_PYRAMID + r"out\.conv\.1", "context.out.bn"),
        module(r"feature_fusion\.dwconv\.conv\.0", "fusion.depthwise.conv"),
        module(r"feature_fusion\.dwconv\.conv\.1", "fusion.depthwise.bn"),
        module(r"feature_fusion\.conv_lower_res\.0", "fusion.context.conv"),
        module(r"feature_fusion\.conv_lower_res\.1", "fusion.context.bn"),
        module(r"feature_fusion\.conv_higher_res\.0", "fusion.detail.conv"),
        module(r"feature_fusion\.conv_higher_res\.1", "fusion.detail.bn"),
        *_separable(r"classifier\.dsconv(?P<i>[12])", "head.convs.{i-1}"),
        module(r"classifier\.conv\.1", "head.classifier"),
        module(r"auxlayer\.0", "auxiliary.0.block.conv"),
        module(r"auxlayer\.1", "auxiliary.0.block.bn"),
        module(r"auxlayer\.4", "auxiliary.0.classifier"),
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (FAST_SCNN,)

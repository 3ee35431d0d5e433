"""PaddleSeg (github.com/PaddlePaddle/PaddleSeg): `.pdparams` with structured names."""

from __future__ import annotations

from weights_convert.sources.rules import PADDLE_LEAVES, Drop, Rule, RuleLayout, Source, linear_in_out, module, tensor


def _conv_bn(pattern: str, target: str) -> tuple[Rule, ...]:
    """PaddleSeg's ConvBNReLU, ConvBN and ConvBNLayer."""
    return (
        module(pattern + r"\._conv", target + ".conv"),
        module(pattern + r"\._batch_norm", target + ".bn"),
    )


_RESIDUAL = r"backbone\.bb_(?P<stage>[0123])_(?P<block>\d+)\."
_TARGET = "backbone.layer{stage+1}.{block}"

RESNET_VD = (
    *_conv_bn(r"backbone\.conv1_(?P<i>[123])", "backbone.stem.{i-1}"),
    module(_RESIDUAL + r"conv(?P<i>[012])\._conv", _TARGET + ".conv{i+1}"),
    module(_RESIDUAL + r"conv(?P<i>[012])\._batch_norm", _TARGET + ".bn{i+1}"),
    *_conv_bn(_RESIDUAL + r"short", _TARGET + ".downsample"),
)

# `stages` are numbered by bin (1, 2, 3, 6) but concatenated from the last; branches are in concatenation order.
PSPNET = RuleLayout(
    name="PSPNet",
    presets=("pspnet_resnet50_vd_paddleseg",),
    rules=(
        *RESNET_VD,
        *_conv_bn(r"head\.psp_module\.stages\.(?P<i>[0123])\.1", "pyramid.branches.{3-i}"),
        *_conv_bn(r"head\.psp_module\.conv_bn_relu2", "head.block"),
        module(r"head\.conv", "head.classifier"),
        *_conv_bn(r"head\.auxlayer\.conv_bn_relu", "auxiliary.0.block"),
        module(r"head\.auxlayer\.conv", "auxiliary.0.classifier"),
    ),
    leaves=PADDLE_LEAVES,
)

_DOWN = r"learning_to_downsample\."
_BLOCK = r"global_feature_extractor\.bottleneck(?P<group>[123])\.(?P<i>\d+)\.block\."
_PYRAMID = r"global_feature_extractor\.ppm\."


def _separable(pattern: str, target: str) -> tuple[Rule, ...]:
    return (
        *_conv_bn(pattern + r"\.depthwise_conv", target + ".depthwise"),
        *_conv_bn(pattern + r"\.piontwise_conv", target + ".pointwise"),  # spelt so in the original
    )


FAST_SCNN = RuleLayout(
    name="FastSCNN",
    presets=("fast_scnn_paddleseg",),
    rules=(
        *_conv_bn(_DOWN + r"conv_bn_relu", "detail.0"),
        *_separable(_DOWN + r"dsconv_bn_relu(?P<i>[12])", "detail.{i}"),
        *_conv_bn(_BLOCK + r"0", "context.groups.{group-1}.{i}.expand"),
        *_conv_bn(_BLOCK + r"1", "context.groups.{group-1}.{i}.depthwise"),
        *_conv_bn(_BLOCK + r"2", "context.groups.{group-1}.{i}.project"),
        *_conv_bn(_PYRAMID + r"stages\.(?P<i>[0123])\.1", "context.pyramid.branches.{3-i}"),
        *_conv_bn(_PYRAMID + r"conv_bn_relu2", "context.out"),
        *_conv_bn(r"feature_fusion\.dwconv", "fusion.depthwise"),
        *_conv_bn(r"feature_fusion\.conv_low_res", "fusion.context"),
        *_conv_bn(r"feature_fusion\.conv_high_res", "fusion.detail"),
        *_separable(r"classifier\.dsconv(?P<i>[12])", "head.convs.{i-1}"),
        module(r"classifier\.conv", "head.classifier"),
        *_conv_bn(r"auxlayer\.conv_bn_relu", "auxiliary.0.block"),
        module(r"auxlayer\.conv", "auxiliary.0.classifier"),
    ),
    leaves=PADDLE_LEAVES,
)

_VIT_BLOCK = r"backbone\.blocks\.(?P<i>\d+)\."
_SHARED = ("auxiliary.0", "auxiliary.1", "auxiliary.2")

# The three auxiliary heads and their norms are one module each, which the state dictionary lists three times.
SETR_NAIVE = RuleLayout(
    name="SETR-naive",
    presets=("setr_naive_paddleseg",),
    rules=(
        tensor(r"backbone\.(?P<name>pos_embed|cls_token)", "backbone.{name}"),
        module(r"backbone\.patch_embed\.proj", "backbone.patch_embed"),
        module(_VIT_BLOCK + r"(?P<norm>norm[12])", "backbone.blocks.{i}.{norm}"),
        linear_in_out(_VIT_BLOCK + r"attn\.(?P<layer>qkv|proj)", "backbone.blocks.{i}.attn.{layer}"),
        linear_in_out(_VIT_BLOCK + r"mlp\.(?P<layer>fc1|fc2)", "backbone.blocks.{i}.mlp.{layer}"),
        module(r"head\.cls_head_norm", "norms.3"),
        *_conv_bn(r"head\.cls_head\.0", "head.block"),
        module(r"head\.cls_head\.1", "head.classifier"),
        module(r"head\.aux_head_norms\.0", "norms.0", "norms.1", "norms.2"),
        module(r"head\.aux_heads\.0\.0\._conv", *(f"{head}.block.conv" for head in _SHARED)),
        module(r"head\.aux_heads\.0\.0\._batch_norm", *(f"{head}.block.bn" for head in _SHARED)),
        module(r"head\.aux_heads\.0\.1", *(f"{head}.classifier" for head in _SHARED)),
    ),
    dropped=(Drop(r"head\.aux_head(s|_norms)\.[12]\..*", "the shared auxiliary module under another number"),),
    leaves=PADDLE_LEAVES,
)

SOURCE = Source(
    "paddleseg", "PaddleSeg, github.com/PaddlePaddle/PaddleSeg (PaddlePaddle)", (PSPNET, FAST_SCNN, SETR_NAIVE)
)

"""MXNetSeg (github.com/BebDong/MXNetSeg) and GluonCV's backbones in it: `.params` with Gluon's structural names."""

from __future__ import annotations

from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import MXNET_LEAVES, Drop, Rule, RuleLayout, Source, module, tensor

_PYRAMID_HEAD = (
    module(r"head\.pool\.conv(?P<i>[1234])\.(?P<part>conv|bn)", "pyramid.branches.{i-1}.{part}"),
    module(r"head\.seg_head\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
    module(r"head\.seg_head\.conv2", "head.classifier"),
    module(r"aux_head\.conv1\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
    module(r"aux_head\.conv2", "auxiliary.0.classifier"),
)
_CLASSIFIER = Drop(r"fc\.(weight|bias)", "GluonCV's ImageNet classifier, takes no part in the output")

PSPNET_V1S = RuleLayout(
    name="PSPNet on GluonCV's resnet_v1s",
    presets=("pspnet_resnet50_mxnetseg", "pspnet_resnet101_mxnetseg", "pspnet_resnet152_mxnetseg"),
    rules=(*nested_deep_stem(), *residual_stages(), *_PYRAMID_HEAD),
    dropped=(_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

PSPNET_V1B = RuleLayout(
    name="PSPNet on GluonCV's resnet_v1b",
    presets=("pspnet_resnet18_mxnetseg", "pspnet_resnet34_mxnetseg"),
    rules=(
        module(r"conv1", "backbone.stem.0.conv"),
        module(r"bn1", "backbone.stem.0.bn"),
        *residual_stages(),
        *_PYRAMID_HEAD,
    ),
    dropped=(_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

_VIT = (
    tensor(r"pos_embed", "backbone.pos_embed"),
    module(r"patch_embed\.linear", "backbone.patch_embed"),
    module(r"blocks\.(?P<i>\d+)\.(?P<norm>norm[12])", "backbone.blocks.{i}.{norm}"),
    module(r"blocks\.(?P<i>\d+)\.att\.att_qkv", "backbone.blocks.{i}.attn.qkv"),
    module(r"blocks\.(?P<i>\d+)\.att\.proj", "backbone.blocks.{i}.attn.proj"),
    module(r"blocks\.(?P<i>\d+)\.mlp\.(?P<fc>fc[12])", "backbone.blocks.{i}.mlp.{fc}"),
    module(r"layer_norms\.(?P<i>\d+)", "norms.{i}"),
    module(r"head\.aux_head\.(?P<i>\d+)\.conv1\.(?P<part>conv|bn)", "auxiliary.{i}.block.{part}"),
    module(r"head\.aux_head\.(?P<i>\d+)\.conv2", "auxiliary.{i}.classifier"),
)


def _setr(decoder: str, *head: Rule) -> RuleLayout:
    return RuleLayout(f"SETR-{decoder}", (f"setr_{decoder}_mxnetseg",), (*_VIT, *head), leaves=MXNET_LEAVES)


SETR_NAIVE = _setr(
    "naive",
    module(r"head\.head\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
    module(r"head\.head\.conv2", "head.classifier"),
)
SETR_PUP = _setr(
    "pup",
    module(r"head\.conv(?P<i>[0123])\.(?P<part>conv|bn)", "head.convs.{i}.{part}"),
    module(r"head\.conv4\.(?P<part>conv|bn)", "head.classifier.{part}"),
)
SETR_MLA = _setr(
    "mla",  # p5, the deepest level, is the first here
    module(r"head\.conv1x1_p(?P<level>[2345])\.(?P<part>conv|bn)", "head.lateral.{5-level}.{part}"),
    module(r"head\.conv3x3_p(?P<level>[2345])\.(?P<part>conv|bn)", "head.neck.{5-level}.{part}"),
    module(r"head\.head(?P<level>[2345])\.(?P<i>[01])\.(?P<part>conv|bn)", "head.levels.{5-level}.{i}.{part}"),
    module(r"head\.head", "head.classifier"),
)

SOURCE = Source(
    "mxnetseg",
    "MXNetSeg on GluonCV backbones, github.com/BebDong/MXNetSeg (MXNet Gluon)",
    (PSPNET_V1S, PSPNET_V1B, SETR_NAIVE, SETR_PUP, SETR_MLA),
)

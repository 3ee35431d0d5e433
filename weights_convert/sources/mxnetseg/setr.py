"""SETR with its three decoders."""

from __future__ import annotations

from weights_convert.sources.rules import MXNET_LEAVES, Rule, RuleLayout, module, tensor

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

LAYOUTS = (SETR_NAIVE, SETR_PUP, SETR_MLA)

"""SETR with its three decoders."""

from __future__ import annotations

from weights_convert.sources.rules import COUNTER, Rule, RuleLayout, module, tensor

_LAYER = r"backbone\.layers\.(?P<i>\d+)\."
_VIT = (
    tensor(r"backbone\.cls_token", "backbone.cls_token"),
    tensor(r"backbone\.pos_embed", "backbone.pos_embed"),
    module(r"backbone\.patch_embed\.projection", "backbone.patch_embed"),
    module(_LAYER + r"ln(?P<norm>[12])", "backbone.blocks.{i}.norm{norm}"),
    tensor(_LAYER + r"attn\.attn\.in_proj_(?P<leaf>weight|bias)", "backbone.blocks.{i}.attn.qkv.{leaf}"),
    module(_LAYER + r"attn\.attn\.out_proj", "backbone.blocks.{i}.attn.proj"),
    module(_LAYER + r"ffn\.layers\.0\.0", "backbone.blocks.{i}.mlp.fc1"),
    module(_LAYER + r"ffn\.layers\.1", "backbone.blocks.{i}.mlp.fc2"),
    module(r"decode_head\.conv_seg", "head.classifier"),
)
# Auxiliary heads come first (shallow taps 0, 1, 2), the main head has the deepest.
_UP_HEADS = (
    module(r"decode_head\.norm", "norms.3"),
    module(r"auxiliary_head\.(?P<i>\d)\.norm", "norms.{i}"),
    module(r"auxiliary_head\.(?P<i>\d)\.up_convs\.0\.0\.(?P<part>conv|bn)", "auxiliary.{i}.block.{part}"),
    module(r"auxiliary_head\.(?P<i>\d)\.conv_seg", "auxiliary.{i}.classifier"),
)


def _setr(decoder: str, *head: Rule) -> RuleLayout:
    return RuleLayout(f"SETR-{decoder}", (f"setr_{decoder}_mmseg",), (*_VIT, *head), dropped=(COUNTER,))


SETR_NAIVE = _setr("naive", *_UP_HEADS, module(r"decode_head\.up_convs\.0\.0\.(?P<part>conv|bn)", "head.block.{part}"))
SETR_PUP = _setr(
    "pup", *_UP_HEADS, module(r"decode_head\.up_convs\.(?P<i>\d)\.0\.(?P<part>conv|bn)", "head.convs.{i}.{part}")
)
SETR_MLA = _setr(
    "mla",
    module(r"neck\.norm\.(?P<i>\d)", "norms.{i}"),
    # channel_proj is numbered by depth, feat_extract in the order of the sums: the deepest first.
    module(r"neck\.mla\.channel_proj\.(?P<i>[0123])\.(?P<part>conv|bn)", "head.lateral.{3-i}.{part}"),
    module(r"neck\.mla\.feat_extract\.(?P<i>[0123])\.(?P<part>conv|bn)", "head.neck.{i}.{part}"),
    module(r"decode_head\.up_convs\.(?P<i>\d)\.(?P<j>[01])\.(?P<part>conv|bn)", "head.levels.{i}.{j}.{part}"),
    module(r"auxiliary_head\.(?P<i>\d)\.conv_seg", "auxiliary.{i}.classifier"),
)

LAYOUTS = (SETR_NAIVE, SETR_PUP, SETR_MLA)

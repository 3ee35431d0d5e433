"""SETR with the naive decoder."""

from __future__ import annotations

from weights_convert.sources.paddleseg.blocks import conv_bn
from weights_convert.sources.rules import PADDLE_LEAVES, Drop, RuleLayout, linear_in_out, module, tensor

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
        *conv_bn(r"head\.cls_head\.0", "head.block"),
        module(r"head\.cls_head\.1", "head.classifier"),
        module(r"head\.aux_head_norms\.0", "norms.0", "norms.1", "norms.2"),
        module(r"head\.aux_heads\.0\.0\._conv", *(f"{head}.block.conv" for head in _SHARED)),
        module(r"head\.aux_heads\.0\.0\._batch_norm", *(f"{head}.block.bn" for head in _SHARED)),
        module(r"head\.aux_heads\.0\.1", *(f"{head}.classifier" for head in _SHARED)),
    ),
    dropped=(Drop(r"head\.aux_head(s|_norms)\.[12]\..*", "the shared auxiliary module under another number"),),
    leaves=PADDLE_LEAVES,
)

LAYOUTS = (SETR_NAIVE,)

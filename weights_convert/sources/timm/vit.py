"""Vision transformers; the norm behind the last block is the classifier's."""

from __future__ import annotations

from weights_convert.sources.rules import Drop, RuleLayout, module, tensor

_BLOCK = r"blocks\.(?P<i>\d+)\."
_TARGET = "backbone.blocks.{i}."
CLASSIFIER = Drop(r"(norm|fc_norm|head|pre_logits\.fc)\.(weight|bias)", "ImageNet classifier")

VIT = RuleLayout(
    name="vision transformer",
    presets=(),
    rules=(
        tensor("cls_token", "backbone.cls_token"),
        tensor("pos_embed", "backbone.pos_embed"),
        module(r"patch_embed\.proj", "backbone.patch_embed"),
        module(_BLOCK + r"norm(?P<norm>[12])", _TARGET + "norm{norm}"),
        module(_BLOCK + r"attn\.(?P<part>qkv|proj)", _TARGET + "attn.{part}"),
        module(_BLOCK + r"mlp\.fc(?P<fc>[12])", _TARGET + "mlp.fc{fc}"),
    ),
    dropped=(CLASSIFIER,),
    backbones=("vit",),
)

LAYOUTS = (VIT,)

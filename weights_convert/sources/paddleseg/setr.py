"""SETR with its three decoders. Modules that a list repeats are one, which the state dictionary lists several times."""

from __future__ import annotations

from weights_convert.sources.paddleseg.blocks import conv_bn
from weights_convert.sources.rules import PADDLE_LEAVES, Drop, Rule, RuleLayout, linear_in_out, module, tensor

_BLOCK = r"backbone\.blocks\.(?P<i>\d+)\."
_VIT = (
    tensor(r"backbone\.(?P<name>pos_embed|cls_token)", "backbone.{name}"),
    module(r"backbone\.patch_embed\.proj", "backbone.patch_embed"),
    module(_BLOCK + r"(?P<norm>norm[12])", "backbone.blocks.{i}.{norm}"),
    linear_in_out(_BLOCK + r"attn\.(?P<layer>qkv|proj)", "backbone.blocks.{i}.attn.{layer}"),
    linear_in_out(_BLOCK + r"mlp\.(?P<layer>fc1|fc2)", "backbone.blocks.{i}.mlp.{layer}"),
)


def _all(targets: str, count: int) -> tuple[str, ...]:
    """`targets` with every number below `count`."""
    return tuple(targets.format(i) for i in range(count))


def _shared_heads(count: int, classifier: int) -> tuple[Rule, ...]:
    """The one auxiliary head, and its norm, of the first `count` taps; `classifier` is its number in the head."""
    return (
        module(r"head\.aux_head_norms\.0", *_all("norms.{}", count)),
        module(r"head\.aux_heads\.0\.0\._conv", *_all("auxiliary.{}.block.conv", count)),
        module(r"head\.aux_heads\.0\.0\._batch_norm", *_all("auxiliary.{}.block.bn", count)),
        module(rf"head\.aux_heads\.0\.{classifier}", *_all("auxiliary.{}.classifier", count)),
    )


def _setr(decoder: str, *head: Rule) -> RuleLayout:
    repeated = Drop(
        r"head\.(aux_heads|aux_head_norms|norms|feat_convs)\.[123]\..*", "the shared module under another number"
    )
    return RuleLayout(f"SETR-{decoder}", (f"setr_{decoder}_paddleseg",), (*_VIT, *head), (repeated,), PADDLE_LEAVES)


SETR_NAIVE = _setr(
    "naive",
    module(r"head\.cls_head_norm", "norms.3"),
    *conv_bn(r"head\.cls_head\.0", "head.block"),
    module(r"head\.cls_head\.1", "head.classifier"),
    *_shared_heads(3, 1),
)
# Convolutions and resizes in turn, the fourth without; then the classifier.
SETR_PUP = _setr(
    "pup",
    module(r"head\.cls_head_norm", "norms.4"),
    *(rule for i in range(4) for rule in conv_bn(rf"head\.cls_head\.{2 * i}", f"head.convs.{i}")),
    module(r"head\.cls_head\.7", "head.classifier"),
    *_shared_heads(4, 2),
)
SETR_MLA = _setr(
    "mla",  # p5, the deepest level, is the first here
    module(r"head\.norms\.0", *_all("norms.{}", 4)),
    *conv_bn(r"head\.mla\.mla_p(?P<level>[2345])_1x1", "head.lateral.{5-level}"),
    *conv_bn(r"head\.mla\.mla_p(?P<level>[2345])", "head.neck.{5-level}"),
    module(r"head\.feat_convs\.0\.(?P<j>[01])\._conv", *_all("head.levels.{}.{{j}}.conv", 4)),
    module(r"head\.feat_convs\.0\.(?P<j>[01])\._batch_norm", *_all("head.levels.{}.{{j}}.bn", 4)),
    module(r"head\.cls_head", "head.classifier"),
    module(r"head\.aux_heads\.0", *_all("auxiliary.{}.classifier", 4)),
)

LAYOUTS = (SETR_NAIVE, SETR_PUP, SETR_MLA)

"""MMSegmentation 0.x segmentors (and files named like them): PyTorch, `backbone.*`, `neck.*`, `decode_head.*`,
`auxiliary_head.*`.
"""

from __future__ import annotations

from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import COUNTER, Rule, RuleLayout, Source, module, tensor

PSPNET = RuleLayout(
    name="PSPNet",
    presets=("pspnet_resnet50_mmseg",),
    rules=(
        *nested_deep_stem(r"backbone\.stem\.", r"backbone\.stem\.7"),
        *residual_stages(r"backbone\."),
        module(r"decode_head\.psp_modules\.(?P<i>\d)\.1\.(?P<part>conv|bn)", "pyramid.branches.{i}.{part}"),
        module(r"decode_head\.bottleneck\.(?P<part>conv|bn)", "head.block.{part}"),
        module(r"decode_head\.conv_seg", "head.classifier"),
        module(r"auxiliary_head\.convs\.0\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
        module(r"auxiliary_head\.conv_seg", "auxiliary.0.classifier"),
    ),
    dropped=(COUNTER,),
)

_INDEXED_AUXILIARY = (
    module(r"auxiliary_head\.(?P<i>\d)\.convs\.0\.(?P<part>conv|bn)", "auxiliary.{i}.block.{part}"),
    module(r"auxiliary_head\.(?P<i>\d)\.conv_seg", "auxiliary.{i}.classifier"),
)

_DOWN = r"backbone\.learning_to_downsample\."
_BLOCK = r"backbone\.global_feature_extractor\.bottleneck(?P<group>[123])\.(?P<i>\d+)\.conv\."
_GLOBAL = r"backbone\.global_feature_extractor\."
_FUSION = r"backbone\.feature_fusion\."


def _separable(pattern: str, target: str) -> tuple[Rule, ...]:
    return (module(pattern + r"\.(?P<step>depthwise|pointwise)_conv\.(?P<part>conv|bn)", target + ".{step}.{part}"),)


FAST_SCNN = RuleLayout(
    name="FastSCNN",
    presets=("fast_scnn_mmseg",),
    rules=(
        module(_DOWN + r"conv\.(?P<part>conv|bn)", "detail.0.{part}"),
        *_separable(_DOWN + r"dsconv(?P<i>[12])", "detail.{i}"),
        module(_BLOCK + r"0\.(?P<part>conv|bn)", "context.groups.{group-1}.{i}.expand.{part}"),
        module(_BLOCK + r"1\.(?P<part>conv|bn)", "context.groups.{group-1}.{i}.depthwise.{part}"),
        module(_BLOCK + r"2\.(?P<part>conv|bn)", "context.groups.{group-1}.{i}.project.{part}"),
        module(_GLOBAL + r"ppm\.(?P<i>\d)\.1\.(?P<part>conv|bn)", "context.pyramid.branches.{i}.{part}"),
        module(_GLOBAL + r"out\.(?P<part>conv|bn)", "context.out.{part}"),
        module(_FUSION + r"dwconv\.(?P<part>conv|bn)", "fusion.depthwise.{part}"),
        module(_FUSION + r"conv_lower_res\.(?P<part>conv|bn)", "fusion.context.{part}"),
        module(_FUSION + r"conv_higher_res\.(?P<part>conv|bn)", "fusion.detail.{part}"),
        *_separable(r"decode_head\.convs\.(?P<i>[01])", "head.convs.{i}"),
        module(r"decode_head\.conv_seg", "head.classifier"),
        *_INDEXED_AUXILIARY,
    ),
    dropped=(COUNTER,),
)

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

SOURCE = Source(
    "mmseg",
    "MMSegmentation 0.x, github.com/open-mmlab/mmsegmentation (PyTorch)",
    (PSPNET, FAST_SCNN, SETR_NAIVE, SETR_PUP, SETR_MLA),
)

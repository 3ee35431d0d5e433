"""FPN."""

from __future__ import annotations

from weights_convert.sources.rules import COUNTER, RuleLayout, module
from weights_convert.sources.smp.blocks import RESNET

_UNIT = r"decoder\.seg_blocks\.(?P<i>[0123])\.block\.(?P<j>[012])\.block\."

FPN = RuleLayout(
    name="FPN",
    presets=("semantic_fpn_resnet50_smp",),
    rules=(
        *RESNET,
        module(r"decoder\.p5", "neck.lateral.3"),
        module(r"decoder\.p(?P<level>[234])\.skip_conv", "neck.lateral.{level-2}"),
        module(_UNIT + "0", "head.levels.{3-i}.{j}.conv"),  # the deepest level is the first
        module(_UNIT + "1", "head.levels.{3-i}.{j}.norm"),
        module(r"segmentation_head\.0", "head.classifier"),
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (FPN,)

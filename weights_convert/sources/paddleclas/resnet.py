"""ResNet and ResNet_vd since PaddleClas 2.1: all blocks in one sequence, so that each depth has its names.

Before, they were named as PaddleSeg still has them.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

from core.arch.backbones.resnet import BLOCKS
from weights_convert.sources.rules import PADDLE_LEAVES, Drop, Rule, RuleLayout, linear_in_out, module

CLASSIFIER = Drop(r"fc\.(weight|bias)", "ImageNet classifier")


def _stage(number: int, first: int, count: int) -> tuple[Rule, ...]:
    """`count` blocks from number `first` on are those of a stage."""
    block = rf"blocks\.(?P<block>{'|'.join(str(first + i) for i in range(count))})\."
    target = f"backbone.layer{number}.{{block-{first}}}"
    return (
        module(block + r"conv(?P<i>[012])\.conv", target + ".conv{i+1}"),
        module(block + r"conv(?P<i>[012])\.bn", target + ".bn{i+1}"),
        module(block + r"short\.(?P<part>conv|bn)", target + ".downsample.{part}"),
    )


def _layout(blocks: tuple[int, ...]) -> RuleLayout:
    firsts = accumulate(blocks, initial=0)
    stages = [_stage(number, first, count) for number, (first, count) in enumerate(zip(firsts, blocks), start=1)]
    return RuleLayout(
        name=f"ResNet of {sum(blocks)} blocks",
        presets=(),
        rules=(
            module(r"stem\.(?P<i>[012])\.(?P<part>conv|bn)", "backbone.stem.{i}.{part}"),
            *(rule for stage in stages for rule in stage),
        ),
        dropped=(CLASSIFIER,),
        leaves=PADDLE_LEAVES,
        backbones=("resnet",),
    )


BACKBONES = tuple(_layout(blocks) for blocks in dict.fromkeys(BLOCKS.values()))
_RESNET50 = _layout(BLOCKS[50])
CLASSIFIERS = (
    replace(
        _RESNET50,
        name="ResNet50_vd with its classifier",
        presets=("resnet50_vd_classifier",),
        rules=(*_RESNET50.rules, linear_in_out("fc", "head.classifier")),
        dropped=(),
        backbones=(),
    ),
)

LAYOUTS = (*BACKBONES, *CLASSIFIERS)

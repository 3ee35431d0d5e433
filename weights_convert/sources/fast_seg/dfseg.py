"""DF1-Seg and DF2-Seg."""

from __future__ import annotations

from weights_convert.sources.rules import COUNTER, Drop, Rule, RuleLayout, module


def _blocks(stage: str, target: str) -> tuple[Rule, ...]:
    block, inner = rf"backbone\.{stage}\.(?P<block>\d+)\.", f"backbone.{target}.{{block}}."
    return (
        module(block + r"conv(?P<i>[12])", inner + "conv{i}"),
        module(block + r"bn(?P<i>[12])", inner + "bn{i}"),
        module(block + r"downsample\.0", inner + "downsample.conv"),
        module(block + r"downsample\.1", inner + "downsample.bn"),
    )


_REST = (
    module(r"backbone\.stage1\.0", "backbone.stem.0.conv"),
    module(r"backbone\.stage1\.1", "backbone.stem.0.bn"),
    module(r"backbone\.stage1\.3", "backbone.stem.1.conv"),
    module(r"backbone\.stage1\.4", "backbone.stem.1.bn"),
    module(r"ppm\.stages\.(?P<i>[0123])\.1", "pyramid.branches.{i}.conv"),
    module(r"ppm\.stages\.(?P<i>[0123])\.2", "pyramid.branches.{i}.bn"),
    module(r"ppm\.bottleneck\.0", "reduce.conv"),
    module(r"ppm\.bottleneck\.1", "reduce.bn"),
    module(r"cc(?P<level>[345])", "laterals.{5-level}"),
    module(r"fn(?P<level>[34])\.fusion", "fusions.{4-level}"),
    module(r"fc\.0", "head.block.conv"),
    module(r"fc\.1", "head.block.bn"),
    module(r"fc\.4", "head.classifier"),
)
_DROPPED = (COUNTER, Drop(r"backbone\.fc\.(weight|bias)", "ImageNet classifier, takes no part in the output"))

DF1 = RuleLayout(
    name="DF1-Seg",
    presets=("dfseg_df1",),
    rules=(*_blocks(r"stage(?P<stage>[2345])", "stage{stage}"), *_REST),
    dropped=_DROPPED,
)

# Two stages of one resolution are `stage3_1` and `stage3_2` there, stage4 and stage5 here.
DF2 = RuleLayout(
    name="DF2-Seg",
    presets=("dfseg_df2",),
    rules=(
        *_blocks(r"stage2_(?P<part>[12])", "stage{part+1}"),
        *_blocks(r"stage3_(?P<part>[12])", "stage{part+3}"),
        *_blocks(r"stage4_(?P<part>[12])", "stage{part+5}"),
        *_REST,
    ),
    dropped=_DROPPED,
)

LAYOUTS = (DF1, DF2)

"""Semantic FPN on GluonCV's resnet_v1b."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, RESNET_V1B
from weights_convert.sources.rules import MXNET_LEAVES, Rule, RuleLayout, module

_LEVEL = r"head\.semantic\.scale_p"


def _lateral(stride: int, i: int) -> tuple[Rule, ...]:
    name = rf"head\.fpn\.lateral{stride}x\."
    return (
        module(name + r"conv1x1\.(?P<part>conv|bn)", f"neck.lateral.{i}.{{part}}"),
        module(name + r"conv3x3\.(?P<part>conv|bn)", f"neck.smooth.{i}.{{part}}"),
    )


SEMANTIC_FPN = RuleLayout(
    name="SemanticFPN on GluonCV's resnet_v1b",
    presets=("semantic_fpn_resnet18_mxnetseg",),
    rules=(
        *RESNET_V1B,
        module(r"head\.fpn\.conv\.(?P<part>conv|bn)", "neck.lateral.3.{part}"),
        *(rule for i, stride in enumerate((4, 8, 16)) for rule in _lateral(stride, i)),
        module(_LEVEL + r"2\.(?P<part>conv|bn)", "head.levels.0.0.{part}"),
        module(
            r"head\.semantic\.scale_p(?P<level>[345])\.(?P<j>[012])\.(?P<part>conv|bn)",
            "head.levels.{level-2}.{j}.{part}",
        ),
        module(r"head\.seg", "head.classifier"),
    ),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (SEMANTIC_FPN,)

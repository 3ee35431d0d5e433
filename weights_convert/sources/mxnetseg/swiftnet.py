"""SwiftNet of one scale and of two."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, RESNET_V1B
from weights_convert.sources.rules import MXNET_LEAVES, Rule, RuleLayout, module

_HEADS = (
    module(r"head\.seg_head\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
    module(r"head\.seg_head\.conv2", "head.classifier"),
    module(r"aux_head\.conv1\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
    module(r"aux_head\.conv2", "auxiliary.0.classifier"),
)


def _step(pattern: str, i: str) -> tuple[Rule, ...]:
    return (
        module(pattern + r"\.conv1x1\.(?P<part>conv|bn)", f"ladder.{i}.lateral.{{part}}"),
        module(pattern + r"\.conv3x3\.(?P<part>conv|bn)", f"ladder.{i}.blend.{{part}}"),
    )


def _layout(name: str, preset: str, *rules: Rule) -> RuleLayout:
    return RuleLayout(name, (preset,), (*RESNET_V1B, *_HEADS, *rules), (IMAGENET_CLASSIFIER,), MXNET_LEAVES)


SWIFT_RESNET = _layout(
    "SwiftResNet on GluonCV's resnet_v1b",
    "swiftresnet_resnet18_mxnetseg",
    module(r"head\.ppool\.conv(?P<i>[1234])\.(?P<part>conv|bn)", "pyramid.branches.{i-1}.{part}"),
    module(r"head\.conv_c4\.(?P<part>conv|bn)", "start.{part}"),
    *_step(r"head\.fusion_c(?P<stage>[123])", "{3-stage}"),
)

SWIFT_RESNET_PYRAMID = _layout(
    "SwiftResNetPr on GluonCV's resnet_v1b",
    "swiftresnet_pyramid_resnet18_mxnetseg",
    module(r"head\.conv1x1\.(?P<part>conv|bn)", "start.{part}"),
    *_step(r"head\.fusion_32x", "0"),
    *_step(r"head\.fusion_16x", "1"),
    *_step(r"head\.fusion_8x", "2"),
    *_step(r"head\.final", "3"),
)

LAYOUTS = (SWIFT_RESNET, SWIFT_RESNET_PYRAMID)

"""SemSegPaddle, dynamic graph (PaddlePaddle 1.x): `.pdparams` with structured names.

Blocks of a stage are numbered 0, 2, 3, …: block i >= 1 is called i + 1. Linear weights are [in, out].
"""

from __future__ import annotations

from weights_convert.sources.rules import PADDLE_LEAVES, Drop, Rule, RuleLayout, Source, module


def _residual(block: str, target: str) -> tuple[Rule, ...]:
    return (
        module(block + r"\._conv(?P<i>[012])\._conv", target + ".conv{i+1}"),
        module(block + r"\._conv(?P<i>[012])\._bn", target + ".bn{i+1}"),
        module(block + r"\._skip\._conv", target + ".downsample.conv"),
        module(block + r"\._skip\._bn", target + ".downsample.bn"),
    )


RESNET = (
    module(r"resnet\._conv\._conv", "backbone.stem.0.conv"),
    module(r"resnet\._conv\._bn", "backbone.stem.0.bn"),
    *_residual(r"resnet\._layer(?P<stage>[1234])_0", "backbone.layer{stage}.0"),
    *_residual(r"resnet\._layer(?P<stage>[1234])_(?P<block>[2-9]|[1-9]\d+)", "backbone.layer{stage}.{block-1}"),
)
CLASSIFIER = Drop(r"resnet\.fc\.(weight|bias)", "ImageNet classifier, takes no part in the output")


def _bin(size: int, branch: int) -> tuple[Rule, ...]:
    return (
        module(rf"psphead\._psp_{size}_path\.conv", f"pyramid.branches.{branch}.conv"),
        module(rf"psphead\._psp_{size}_path\.bn", f"pyramid.branches.{branch}.bn"),
    )


PSPNET = RuleLayout(
    name="PSPNet",
    presets=("pspnet_resnet50_semsegpaddle", "pspnet_resnet101_semsegpaddle"),
    rules=(
        *RESNET,
        *_bin(1, 0),
        *_bin(2, 1),
        *_bin(3, 2),
        *_bin(6, 3),
        module(r"psphead\.pre_cls_conv", "head.block.conv"),
        module(r"psphead\.pre_cls_bn", "head.block.bn"),
        module(r"psphead\.cls_conv", "head.classifier"),
        module(r"auxhead\.conv_1", "auxiliary.0.block.conv"),
        module(r"auxhead\.bn", "auxiliary.0.block.bn"),
        module(r"auxhead\.conv_2", "auxiliary.0.classifier"),
    ),
    dropped=(CLASSIFIER,),
    leaves=PADDLE_LEAVES,
)

SOURCE = Source("semsegpaddle", "SemSegPaddle, dynamic graph (PaddlePaddle)", (PSPNET,))

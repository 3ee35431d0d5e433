"""PSPNet."""

from __future__ import annotations

from weights_convert.sources.rules import PADDLE_LEAVES, Rule, RuleLayout, module
from weights_convert.sources.semsegpaddle.resnet import IMAGENET_CLASSIFIER, RESNET


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
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=PADDLE_LEAVES,
)

LAYOUTS = (PSPNET,)

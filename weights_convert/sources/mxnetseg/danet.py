"""DANet on GluonCV's resnet_v1s."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, RESNET_V1S
from weights_convert.sources.rules import MXNET_LEAVES, Rule, RuleLayout, module, tensor


def _branch(name: str, target: str) -> tuple[Rule, ...]:
    return (
        module(rf"head\.compress_{name}\.(?P<part>conv|bn)", target + ".reduce.{part}"),
        tensor(rf"head\.{name}\.gamma", target + ".gamma"),
        module(rf"head\.proj_{name}\.(?P<part>conv|bn)", target + ".refine.{part}"),
    )


DANET = RuleLayout(
    name="DANet on GluonCV's resnet_v1s",
    presets=("danet_resnet50_mxnetseg", "danet_resnet101_mxnetseg"),
    rules=(
        *RESNET_V1S,
        *_branch("pam", "position"),
        *_branch("cam", "channel"),
        module(r"head\.pam\.(?P<part>query|key|value)_conv", "position.{part}"),
        module(r"head\.head\.1", "head.classifier"),
        module(r"aux_head\.(?P<i>[01])\.1", "auxiliary.{i}.classifier"),
    ),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (DANET,)

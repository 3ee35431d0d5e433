"""DANet."""

from __future__ import annotations

from weights_convert.sources.gluoncv.blocks import RESNET_V1S
from weights_convert.sources.rules import MXNET_LEAVES, Rule, RuleLayout, module, tensor


def _conv_bn(name: str, target: str) -> tuple[Rule, ...]:
    return (module(rf"head\.{name}\.0", target + ".conv"), module(rf"head\.{name}\.1", target + ".bn"))


DANET = RuleLayout(
    name="DANet on resnet_v1s",
    presets=("danet_resnet50_gluoncv", "danet_resnet101_gluoncv"),
    rules=(
        *RESNET_V1S,
        *_conv_bn("conv5a", "position.reduce"),
        tensor(r"head\.sa\.gamma", "position.gamma"),
        module(r"head\.sa\.(?P<part>query|key|value)_conv", "position.{part}"),
        *_conv_bn("conv51", "position.refine"),
        *_conv_bn("conv5c", "channel.reduce"),
        tensor(r"head\.sc\.gamma", "channel.gamma"),
        *_conv_bn("conv52", "channel.refine"),
        module(r"head\.conv8\.0", "head.classifier"),
        module(r"head\.conv(?P<i>[67])\.0", "auxiliary.{i-6}.classifier"),
    ),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (DANET,)

"""FCN on HRNet."""

from __future__ import annotations

from weights_convert.sources.paddleseg.blocks import conv_bn
from weights_convert.sources.paddleseg.hrnet import hrnet
from weights_convert.sources.rules import PADDLE_LEAVES, RuleLayout, module

FCN_HRNET = RuleLayout(
    name="FCN on HRNet",
    presets=("fcn_hrnet_w18_paddleseg", "fcn_hrnet_w48_paddleseg"),
    rules=(*hrnet(r"backbone\."), *conv_bn(r"head\.conv_1", "head.block"), module(r"head\.cls", "head.classifier")),
    leaves=PADDLE_LEAVES,
)

LAYOUTS = (FCN_HRNET,)

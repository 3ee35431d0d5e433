"""PSPNet on ResNet_vd."""

from __future__ import annotations

from weights_convert.sources.paddleseg.blocks import RESNET_VD, conv_bn
from weights_convert.sources.rules import PADDLE_LEAVES, RuleLayout, module

# `stages` are numbered by bin (1, 2, 3, 6) but concatenated from the last; branches are in concatenation order.
PSPNET = RuleLayout(
    name="PSPNet",
    presets=("pspnet_resnet50_vd_paddleseg",),
    rules=(
        *RESNET_VD,
        *conv_bn(r"head\.psp_module\.stages\.(?P<i>[0123])\.1", "pyramid.branches.{3-i}"),
        *conv_bn(r"head\.psp_module\.conv_bn_relu2", "head.block"),
        module(r"head\.conv", "head.classifier"),
        *conv_bn(r"head\.auxlayer\.conv_bn_relu", "auxiliary.0.block"),
        module(r"head\.auxlayer\.conv", "auxiliary.0.classifier"),
    ),
    leaves=PADDLE_LEAVES,
)

LAYOUTS = (PSPNET,)

"""GloRe on ResNet_vd."""

from __future__ import annotations

from weights_convert.sources.paddleseg.blocks import RESNET_VD, conv_bn
from weights_convert.sources.rules import PADDLE_LEAVES, RuleLayout, module
from weights_convert.sources.semsegpaddle.glore import glore_unit

GLORE = RuleLayout(
    name="GloRe",
    presets=("glore_resnet50_vd_paddleseg",),
    rules=(
        *RESNET_VD,
        *conv_bn(r"head\.conv_bn_relu", "connect"),
        *glore_unit(r"head\.gru_module\."),
        module(r"head\.classifier", "head.classifier"),
        *conv_bn(r"head\.auxlayer\.conv_bn_relu", "auxiliary.0.block"),
        module(r"head\.auxlayer\.conv", "auxiliary.0.classifier"),
    ),
    leaves=PADDLE_LEAVES,
)

LAYOUTS = (GLORE,)

"""GINet on ResNet_vd."""

from __future__ import annotations

from weights_convert.sources.paddleseg.blocks import RESNET_VD, conv_bn
from weights_convert.sources.rules import PADDLE_LEAVES, Drop, RuleLayout, linear_in_out, module, tensor

_UNIT = r"head\.gloru\."
_TRANSFER = _UNIT + r"graph\.transfer\."
_SIDES = (("vis", "places"), ("word", "words"))

GINET = RuleLayout(
    name="GINet",
    presets=("ginet_resnet50_vd_paddleseg", "ginet_resnet101_vd_paddleseg"),
    rules=(
        *RESNET_VD,
        *conv_bn(r"jpu\.conv(?P<i>[345])", "jpu.lateral.{5-i}"),
        *conv_bn(r"jpu\.dilation(?P<i>[1234])\.depthwise_conv", "jpu.branches.{i-1}.depthwise"),
        *conv_bn(r"jpu\.dilation(?P<i>[1234])\.piontwise_conv", "jpu.branches.{i-1}.pointwise"),  # spelt so there
        tensor(r"head\.inp", "words.embedding"),
        linear_in_out(r"head\.fc(?P<i>[12])\.0", "words.layers.{i-1}.linear"),
        module(r"head\.fc(?P<i>[12])\.1", "words.layers.{i-1}.bn"),
        *conv_bn(r"head\.conv5", "reduce"),
        module(_UNIT + r"conv_theta", "interaction.assign"),
        module(_UNIT + r"conv_phi", "interaction.project"),
        *(module(_UNIT + rf"graph\.{own}_gcn\.conv1", f"interaction.{ours}.nodes") for own, ours in _SIDES),
        *(module(_UNIT + rf"graph\.{own}_gcn\.conv2", f"interaction.{ours}.states") for own, ours in _SIDES),
        tensor(_UNIT + r"graph\.gamma_vis", "interaction.transfer.gamma"),
        module(_TRANSFER + r"query_conv", "interaction.transfer.query"),
        module(_TRANSFER + r"key_conv", "interaction.transfer.key"),
        module(_TRANSFER + r"value_conv_word", "interaction.transfer.value"),
        module(_UNIT + r"extend_dim", "interaction.out.conv"),
        module(_UNIT + r"bn", "interaction.out.bn"),
        module(r"head\.conv6\.1", "head.classifier"),
        *conv_bn(r"auxlayer\.conv_bn_relu", "auxiliary.0.block"),
        module(r"auxlayer\.conv", "auxiliary.0.classifier"),
    ),
    dropped=(
        Drop(
            _UNIT + r"graph\.(gamma_word|transfer\.value_conv_vis\.(weight|bias))",
            "of the graph of words updated by the places, which the original computes and throws away",
        ),
    ),
    leaves=PADDLE_LEAVES,
)

LAYOUTS = (GINET,)

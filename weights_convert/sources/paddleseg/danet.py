"""DANet on ResNet_vd."""

from __future__ import annotations

from weights_convert.sources.paddleseg.blocks import RESNET_VD, conv_bn
from weights_convert.sources.rules import PADDLE_LEAVES, Drop, RuleLayout, module, tensor

DANET = RuleLayout(
    name="DANet",
    presets=("danet_resnet50_vd_paddleseg",),
    rules=(
        *RESNET_VD,
        *conv_bn(r"head\.(?P<branch>position|channel)_conv", "{branch}.reduce"),
        tensor(r"head\.pam\.gamma", "position.gamma"),
        module(r"head\.pam\.(?P<part>query|key|value)_conv", "position.{part}"),
        *conv_bn(r"head\.conv2", "position.refine"),
        tensor(r"head\.cam\.gamma", "channel.gamma"),
        *conv_bn(r"head\.conv1", "channel.refine"),
        module(r"head\.cls_head\.1", "head.classifier"),
        module(r"head\.aux_head_cam\.1", "auxiliary.0.classifier", "auxiliary.1.classifier"),
        module(r"head\.aux_head\.1", "auxiliary.2.classifier"),
    ),
    dropped=(Drop(r"head\.aux_head_pam\.1\.(weight|bias)", "never used: both attention maps go through aux_head_cam"),),
    leaves=PADDLE_LEAVES,
)

LAYOUTS = (DANET,)

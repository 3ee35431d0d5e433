"""DeepLabv3 on MobileNetV2, batch norms folded: each convolution is a weight [out, in, kh, kw] and a bias.

The first block, which does not expand, has no number.
"""

from __future__ import annotations

from weights_convert.sources.rules import RuleLayout, module

DEEPLABV3 = RuleLayout(
    name="DeepLabv3 on MobileNetV2, batch norms folded",
    presets=("deeplabv3_mobilenet_v2_tensorflow", "deeplabv3_mobilenet_v2_dm05_tensorflow"),
    rules=(
        module("MobilenetV2/Conv", "backbone.stem.conv"),
        module("MobilenetV2/expanded_conv/(?P<part>depthwise|project)", "backbone.blocks.0.{part}.conv"),
        module(
            r"MobilenetV2/expanded_conv_(?P<i>[1-9]|1[0-6])/(?P<part>expand|depthwise|project)",
            "backbone.blocks.{i}.{part}.conv",
        ),
        module("aspp0", "aspp.branches.0.conv"),
        module("image_pooling", "aspp.pool.conv"),
        module("concat_projection", "aspp.project.conv"),
        module("logits/semantic", "head.classifier"),
    ),
)

LAYOUTS = (DEEPLABV3,)

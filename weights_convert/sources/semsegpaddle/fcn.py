"""FCN."""

from __future__ import annotations

from weights_convert.sources.rules import PADDLE_LEAVES, RuleLayout, module
from weights_convert.sources.semsegpaddle.resnet import IMAGENET_CLASSIFIER, RESNET

FCN = RuleLayout(
    name="FCN",
    presets=("fcn_resnet101_semsegpaddle",),
    rules=(
        *RESNET,
        module(r"head\.conv5", "head.block.conv"),
        module(r"head\.bn", "head.block.bn"),
        module(r"head\.conv6", "head.classifier"),
        module(r"auxlayer\.conv5", "auxiliary.0.block.conv"),
        module(r"auxlayer\.bn", "auxiliary.0.block.bn"),
        module(r"auxlayer\.conv6", "auxiliary.0.classifier"),
    ),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=PADDLE_LEAVES,
)

LAYOUTS = (FCN,)

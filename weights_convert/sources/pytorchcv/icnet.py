"""ICNet."""

from __future__ import annotations

from weights_convert.sources.pytorchcv.blocks import NAMINGS, Naming, pair
from weights_convert.sources.rules import RuleLayout, module

_FUSION = r"final_block\.cff_(?P<step>12|24)\."


def _layout(naming: Naming) -> RuleLayout:
    first, rest, psp, coarse = (
        ("backbones1", "backbones2", "psp", "final_block") if naming.shift else ("1", "3", "4", "5")
    )
    return naming.layout(
        "ICNet",
        ("icnet_resnet50_gluoncv",),
        naming.stem(rf"branch2\.{first}\.0"),
        *naming.stages(rf"branch2\.{first}\.(?P<stage>[12])", "{stage}"),
        *naming.stages(rf"branch2\.{rest}\.(?P<stage>[01])", "{stage+3}"),
        naming.pyramid(rf"branch2\.{psp}\.pool", "pyramid"),
        pair(rf"branch2\.{psp}\.conv", "reduce"),
        pair(rf"branch2\.{coarse}", "coarse"),
        pair(r"branch1\.conv(?P<i>[123])", "detail.{i-1}"),
        pair("conv_y2", "middle"),
        pair(_FUSION + "conv_low", "fusion{step}.low"),
        pair(_FUSION + "conv_hign", "fusion{step}.high"),  # spelt so there
        module(r"final_block\.cff_12\.conv_cls", "auxiliary.0.classifier"),
        module(r"final_block\.cff_24\.conv_cls", "auxiliary.1.classifier"),
        module(r"final_block\.conv_cls", "head.classifier"),
    )


LAYOUTS = tuple(_layout(naming) for naming in NAMINGS)

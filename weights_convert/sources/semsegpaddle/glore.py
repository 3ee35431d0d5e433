"""GloRe."""

from __future__ import annotations

from weights_convert.sources.rules import PADDLE_LEAVES, Rule, RuleLayout, module
from weights_convert.sources.semsegpaddle.resnet import IMAGENET_CLASSIFIER, RESNET


def glore_unit(prefix: str) -> tuple[Rule, ...]:
    """The unit, behind `prefix` (a pattern); PaddleSeg took its names over."""
    return (
        module(prefix + "reduction_dim", "unit.reduce"),
        module(prefix + "projection_mat", "unit.project"),
        module(prefix + r"gcn\.conv1", "unit.nodes_conv"),
        module(prefix + r"gcn\.conv2", "unit.states_conv"),
        module(prefix + "extend_dim", "unit.extend.conv"),
        module(prefix + "extend_bn", "unit.extend.bn"),
    )


GLORE = RuleLayout(
    name="GloRe",
    presets=(
        "glore_resnet50_semsegpaddle",
        "glore_resnet101_semsegpaddle",
        "glore_resnet101_semsegpaddle_context",
        "glore_resnet101_semsegpaddle_static",
    ),
    rules=(
        *RESNET,
        module("connect_conv", "connect.conv"),
        module("connect_bn", "connect.bn"),
        *glore_unit(r"gru_module\."),
        module("get_logit_conv", "head.classifier"),
        module(r"auxhead\.conv_1", "auxiliary.0.block.conv"),
        module(r"auxhead\.bn", "auxiliary.0.block.bn"),
        module(r"auxhead\.conv_2", "auxiliary.0.classifier"),
    ),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=PADDLE_LEAVES,
)

LAYOUTS = (GLORE,)

"""DANet on ResNetV1c."""

from __future__ import annotations

from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import COUNTER, Rule, RuleLayout, module, tensor


def _branch(name: str, target: str) -> tuple[Rule, ...]:
    return (
        module(rf"decode_head\.{name}_in_conv\.(?P<part>conv|bn)", target + ".reduce.{part}"),
        tensor(rf"decode_head\.{name}\.gamma\.scale", target + ".gamma"),
        module(rf"decode_head\.{name}_out_conv\.(?P<part>conv|bn)", target + ".refine.{part}"),
    )


DANET = RuleLayout(
    name="DANet",
    presets=("danet_resnet50_mmseg",),
    rules=(
        *nested_deep_stem(r"backbone\.stem\.", r"backbone\.stem\.7"),
        *residual_stages(r"backbone\."),
        *_branch("pam", "position"),
        *_branch("cam", "channel"),
        module(r"decode_head\.pam\.(?P<part>query|key|value)_project", "position.{part}"),
        module(r"decode_head\.conv_seg", "head.classifier"),
        module(r"decode_head\.pam_conv_seg", "auxiliary.0.classifier"),
        module(r"decode_head\.cam_conv_seg", "auxiliary.1.classifier"),
        module(r"auxiliary_head\.convs\.0\.(?P<part>conv|bn)", "auxiliary.2.block.{part}"),
        module(r"auxiliary_head\.conv_seg", "auxiliary.2.classifier"),
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (DANET,)

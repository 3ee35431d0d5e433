"""DANet."""

from __future__ import annotations

from weights_convert.sources.pytorchcv.blocks import NAMINGS, pair
from weights_convert.sources.rules import Rule, module, tensor


def _branch(letters: str, target: str) -> tuple[Rule, ...]:
    path = rf"head\.branch_{letters}\."
    return (
        pair(path + "conv1", f"{target}.reduce"),
        tensor(path + r"att\.scale\.alpha", f"{target}.gamma"),
        pair(path + "conv2", f"{target}.refine"),
    )


LAYOUTS = tuple(
    naming.layout(
        "DANet",
        ("danet_resnet50_gluoncv", "danet_resnet101_gluoncv"),
        *naming.backbone(),
        *_branch("pa", "position"),
        *_branch("ca", "channel"),
        module(r"head\.branch_pa\.att\.(?P<part>query|key|value)_conv", "position.{part}"),
        module(r"head\.branch_pa\.conv3", "auxiliary.0.classifier"),
        module(r"head\.branch_ca\.conv3", "auxiliary.1.classifier"),
        module(r"head\.conv", "head.classifier"),
    )
    for naming in NAMINGS
)

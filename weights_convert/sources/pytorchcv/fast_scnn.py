"""Fast-SCNN, with and without its auxiliary head."""

from __future__ import annotations

from weights_convert.sources.pytorchcv.blocks import NAMINGS, Naming, head, pair
from weights_convert.sources.rules import Rule, RuleLayout, module


def _separable(path: str, target: str) -> tuple[Rule, ...]:
    return pair(path + r"\.dw_conv", target + ".depthwise"), pair(path + r"\.pw_conv", target + ".pointwise")


def _layout(naming: Naming) -> RuleLayout:
    unit = rf"features\.features\.{naming.child('stage', 'group')}\.{naming.child('unit', 'i')}\."
    target = f"context.groups.{naming.at('group')}.{naming.at('i')}."
    return naming.layout(
        "Fast-SCNN",
        ("fast_scnn", "fast_scnn_aux"),
        pair(r"stem\.conv1", "detail.0"),
        *_separable(r"stem\.conv(?P<i>[23])", "detail.{i-1}"),
        pair(unit + "conv1", target + "expand"),
        pair(unit + "conv2", target + "depthwise"),
        pair(unit + "conv3", target + "project"),
        naming.pyramid("pool", "context.pyramid"),
        pair(r"pool\.conv", "context.out"),
        pair(r"fusion\.low_dw_conv", "fusion.depthwise"),
        pair(r"fusion\.low_pw_conv", "fusion.context"),
        pair(r"fusion\.high_conv", "fusion.detail"),
        *_separable(r"head\.conv(?P<i>[12])", "head.convs.{i-1}"),
        module(r"head\.conv3", "head.classifier"),
        *head("aux_head", "auxiliary.0"),
    )


LAYOUTS = tuple(_layout(naming) for naming in NAMINGS)

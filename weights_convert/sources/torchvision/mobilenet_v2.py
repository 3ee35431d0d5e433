"""MobileNetV2, a classification backbone, in the names before and since `ConvBNReLU` became a module of its own."""

from __future__ import annotations

from dataclasses import replace

from weights_convert.sources.rules import COUNTER, Drop, Rule, RuleLayout, module

_FIRST = r"features\.1\.conv\."
_BLOCK = r"features\.(?P<i>[2-9]|1[0-7])\.conv\."


def _rules(first: tuple[str, ...], block: tuple[str, ...]) -> tuple[Rule, ...]:
    """`first`: the names of depthwise, its norm, projection, its norm in block 1; `block`: those of the others, after
    the expansion's two."""
    parts = ("expand.conv", "expand.bn", "depthwise.conv", "depthwise.bn", "project.conv", "project.bn")
    return (
        module(r"features\.0\.0", "backbone.stem.conv"),
        module(r"features\.0\.1", "backbone.stem.bn"),
        *[module(_FIRST + name, f"backbone.blocks.0.{part}") for name, part in zip(first, parts[2:])],
        *[module(_BLOCK + name, f"backbone.blocks.{{i-1}}.{part}") for name, part in zip(block, parts)],
        module(r"features\.18\.0", "backbone.last.conv"),
        module(r"features\.18\.1", "backbone.last.bn"),
    )


CLASSIFIER = Drop(r"classifier\.(1\.)?(weight|bias)", "ImageNet classifier")
FLAT = RuleLayout(
    name="MobileNetV2, flat blocks",
    presets=(),
    rules=_rules(("0", "1", "3", "4"), ("0", "1", "3", "4", "6", "7")),
    dropped=(COUNTER, CLASSIFIER),
    backbones=("mobilenet_v2",),
)
NESTED = RuleLayout(
    name="MobileNetV2",
    presets=(),
    rules=_rules((r"0\.0", r"0\.1", "1", "2"), (r"0\.0", r"0\.1", r"1\.0", r"1\.1", "2", "3")),
    dropped=(COUNTER, CLASSIFIER),
    backbones=("mobilenet_v2",),
)


def _whole(layout: RuleLayout) -> RuleLayout:
    """The same with its classifier, as a network of its own."""
    return replace(
        layout,
        name=f"{layout.name}, with its classifier",
        presets=("mobilenet_v2_classifier",),
        rules=(*layout.rules, module(r"classifier(\.1)?", "head.classifier")),
        dropped=(COUNTER,),
        backbones=(),
    )


LAYOUTS = (FLAT, NESTED, _whole(FLAT), _whole(NESTED))

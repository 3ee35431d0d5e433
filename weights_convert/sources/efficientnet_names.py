"""Rules several origins share: EfficientNets, by group as timm names them or numbered as EfficientNet-PyTorch does."""

from __future__ import annotations

from core.arch.backbones.efficientnet import EfficientNetSpec, MBConvSpec
from weights_convert.sources.rules import Rule, module


def _targets(spec: EfficientNetSpec) -> list[tuple[MBConvSpec, str]]:
    """All blocks, in order, with their canonical paths."""
    layers = spec.layers()
    return [(block, f"backbone.{block.layer}.{layers[block.layer].index(block)}") for block in spec.blocks()]


def timm(spec: EfficientNetSpec, prefix: str = "") -> tuple[Rule, ...]:
    """timm's names behind `prefix` (a pattern); a block without expansion numbers its norms from the depthwise one."""
    rules = [module(prefix + "conv_stem", "backbone.stem.conv"), module(prefix + "bn1", "backbone.stem.bn")]
    for block, target in _targets(spec):
        path = rf"{prefix}blocks\.{block.group}\.{block.index}\."
        convs = ("conv_pw", "conv_dw", "conv_pwl") if block.expands else ("conv_dw", "conv_pw")
        for i, (conv, part) in enumerate(zip(convs, ("expand", "depthwise", "project")[-len(convs) :]), start=1):
            rules += [module(path + conv, f"{target}.{part}.conv"), module(f"{path}bn{i}", f"{target}.{part}.bn")]
        if block.squeezed:
            rules.append(module(path + r"se\.conv_(?P<part>reduce|expand)", target + ".excite.{part}"))
    return tuple(rules)


def lukemelas(spec: EfficientNetSpec) -> tuple[Rule, ...]:
    """EfficientNet-PyTorch's names: blocks are numbered through, their norms 0 to 2."""
    rules = [module("_conv_stem", "backbone.stem.conv"), module("_bn0", "backbone.stem.bn")]
    for number, (block, target) in enumerate(_targets(spec)):
        path = rf"_blocks\.{number}\._"
        for i, part in enumerate(("expand", "depthwise", "project")):
            if part != "expand" or block.expands:
                rules.append(module(f"{path}{part}_conv", f"{target}.{part}.conv"))
                rules.append(module(f"{path}bn{i}", f"{target}.{part}.bn"))
        if block.squeezed:
            rules.append(module(path + r"se_(?P<part>reduce|expand)", target + ".excite.{part}"))
    return (*rules, module("_conv_head", "backbone.last.conv"), module("_bn1", "backbone.last.bn"))

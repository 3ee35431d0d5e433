"""Rules several origins share: torchvision-like ResNets, which GluonCV and mmseg name in the same way."""

from __future__ import annotations

from weights_convert.sources.rules import Rule, module

_BLOCK = r"layer(?P<stage>\d)\.(?P<block>\d+)"


def residual(block: str, target: str) -> tuple[Rule, ...]:
    """torchvision's naming of a residual block; `block` is a pattern."""
    return (
        module(block + r"\.conv(?P<i>[123])", target + ".conv{i}"),
        module(block + r"\.bn(?P<i>[123])", target + ".bn{i}"),
        module(block + r"\.downsample\.0", target + ".downsample.conv"),
        module(block + r"\.downsample\.1", target + ".downsample.bn"),
    )


def residual_stages(prefix: str = "") -> tuple[Rule, ...]:
    """`layer1` … `layer4` of torchvision's naming, behind `prefix` (a pattern)."""
    return residual(prefix + _BLOCK, "backbone.layer{stage}.{block}")


def nested_deep_stem(prefix: str = r"conv1\.", last_norm: str = "bn1") -> tuple[Rule, ...]:
    """Three convolutions in one Sequential, the last batch norm beside it as `bn1` (GALD-Net, GluonCV's v1s)."""
    return (
        module(prefix + "0", "backbone.stem.0.conv"),
        module(prefix + "1", "backbone.stem.0.bn"),
        module(prefix + "3", "backbone.stem.1.conv"),
        module(prefix + "4", "backbone.stem.1.bn"),
        module(prefix + "6", "backbone.stem.2.conv"),
        module(last_norm, "backbone.stem.2.bn"),
    )

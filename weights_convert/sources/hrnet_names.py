"""Rules several origins share: HRNet as its authors name it, pairs of convolution and batch norm by number."""

from __future__ import annotations

from weights_convert.sources.resnet_names import residual
from weights_convert.sources.rules import Rule, module


def _pair(pattern: str, target: str) -> tuple[Rule, ...]:
    return (module(pattern + r"\.0", target + ".conv"), module(pattern + r"\.1", target + ".bn"))


_TARGET = "backbone.stage{s}.{m}."


def hrnet(prefix: str = "") -> tuple[Rule, ...]:
    """Behind `prefix`, a pattern."""
    stage = prefix + r"stage(?P<s>[234])\.(?P<m>\d+)\."
    fuse = stage + r"fuse_layers\.(?P<i>[0123])\.(?P<j>[0123])"
    return (
        *(module(rf"{prefix}conv{i + 1}", f"backbone.stem.{i}.conv") for i in (0, 1)),
        *(module(rf"{prefix}bn{i + 1}", f"backbone.stem.{i}.bn") for i in (0, 1)),
        *residual(prefix + r"layer1\.(?P<b>\d+)", "backbone.layer1.{b}"),
        *_pair(prefix + r"transition1\.0", "backbone.transition1.0"),
        *_pair(prefix + r"transition(?P<t>[123])\.(?P<i>[123])\.0", "backbone.transition{t}.{i}"),  # a new branch
        *residual(stage + r"branches\.(?P<b>[0123])\.(?P<k>\d+)", _TARGET + "branches.{b}.{k}"),
        *_pair(fuse, _TARGET + "fuse.{i}.{j}"),  # from a deeper branch
        *_pair(fuse + r"\.(?P<k>[012])", _TARGET + "fuse.{i}.{j}.{k}"),  # from a shallower one
    )

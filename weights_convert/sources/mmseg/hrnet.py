"""HRNet, as the networks of this origin hold it: pairs of convolution and batch norm in Sequentials, by number."""

from __future__ import annotations

from weights_convert.sources.resnet_names import residual
from weights_convert.sources.rules import Rule, module


def _pair(pattern: str, target: str) -> tuple[Rule, ...]:
    return (module(pattern + r"\.0", target + ".conv"), module(pattern + r"\.1", target + ".bn"))


_STAGE = r"backbone\.stage(?P<s>[234])\.(?P<m>\d+)\."
_FUSE = _STAGE + r"fuse_layers\.(?P<i>[0123])\.(?P<j>[0123])"
_TARGET = "backbone.stage{s}.{m}."

HRNET = (
    *(module(rf"backbone\.conv{i + 1}", f"backbone.stem.{i}.conv") for i in (0, 1)),
    *(module(rf"backbone\.bn{i + 1}", f"backbone.stem.{i}.bn") for i in (0, 1)),
    *residual(r"backbone\.layer1\.(?P<b>\d+)", "backbone.layer1.{b}"),
    *_pair(r"backbone\.transition1\.0", "backbone.transition1.0"),
    *_pair(r"backbone\.transition(?P<t>[123])\.(?P<i>[123])\.0", "backbone.transition{t}.{i}"),  # a new branch
    *residual(_STAGE + r"branches\.(?P<b>[0123])\.(?P<k>\d+)", _TARGET + "branches.{b}.{k}"),
    *_pair(_FUSE, _TARGET + "fuse.{i}.{j}"),  # from a deeper branch
    *_pair(_FUSE + r"\.(?P<k>[012])", _TARGET + "fuse.{i}.{j}.{k}"),  # from a shallower one
)

"""The ASPP and the heads of this origin's DeepLabs and DenseASPP."""

from __future__ import annotations

from weights_convert.sources.rules import module

ASPP = (
    module(r"head\.aspp\.branches\.(?P<i>[0123])\.(?P<part>conv|bn)", "aspp.branches.{i}.{part}"),
    module(r"head\.aspp\.branches\.4\.conv1x1\.(?P<part>conv|bn)", "aspp.pool.{part}"),
    module(r"head\.aspp\.projection\.(?P<part>conv|bn)", "aspp.project.{part}"),
)
HEAD = (
    module(r"head\.head\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
    module(r"head\.head\.conv2", "head.classifier"),
)
AUXILIARY = (
    module(r"aux_head\.conv1\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
    module(r"aux_head\.conv2", "auxiliary.0.classifier"),
)

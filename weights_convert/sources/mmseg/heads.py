"""Auxiliary heads as lists of heads, which several networks have."""

from __future__ import annotations

from weights_convert.sources.rules import module

INDEXED_AUXILIARY = (
    module(r"auxiliary_head\.(?P<i>\d)\.convs\.0\.(?P<part>conv|bn)", "auxiliary.{i}.block.{part}"),
    module(r"auxiliary_head\.(?P<i>\d)\.conv_seg", "auxiliary.{i}.classifier"),
)

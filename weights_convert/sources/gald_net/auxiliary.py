"""The auxiliary head that the networks of this origin share."""

from __future__ import annotations

from weights_convert.sources.rules import module

AUXILIARY = (module(r"dsn\.0", "auxiliary.0.block.conv"), module(r"dsn\.1", "auxiliary.0.block.bn"))

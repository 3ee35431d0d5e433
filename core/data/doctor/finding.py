"""A finding: what is wrong, where, how often, and what to set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from core.data.doctor.examine import Look

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """Of one kind.

    kind: its name, for scripts. level: an `error` stops training or ruins it, a `warning` is most likely a mistake, a
    `note` is worth knowing. what: a sentence. advice: what to do or set. files: those concerned, or the first of them.
    count: how many there are. settings: what --fix writes, by key path. looks: pairs to show.
    """

    kind: str
    level: Level
    what: str
    advice: str
    files: tuple[Path, ...] = ()
    count: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    looks: tuple[Look, ...] = ()

    def __str__(self) -> str:
        shown = "".join(f"\n    {path}" for path in self.files[:3])
        more = self.count - min(3, len(self.files))
        shown += f"\n    … and {more} more" if self.files and more > 0 else ""
        return f"{self.level}: {self.kind}: {self.what}{shown}\n    -> {self.advice}"


def of_looks(
    kind: str,
    level: Level,
    what: str,
    advice: str,
    looks: Sequence[Look],
    *,
    labels: bool = True,
    settings: Mapping[str, Any] | None = None,
) -> Finding:
    """A finding whose files are the label maps (or pictures) of `looks`."""
    files = tuple((look.pair.label if labels else None) or look.pair.image for look in looks)
    return Finding(kind, level, what, advice, files, len(looks), settings or {}, tuple(looks[:1]))


def left_out(looks: Sequence[Look]) -> dict[str, Any]:
    """Settings that take these pairs out of their splits."""
    names: dict[str, list[str]] = {}
    for look in looks:
        names.setdefault(look.split, []).append(look.name)
    return {f"data.options.leave_out.{split}": sorted(set(found)) for split, found in names.items()}


def how_many(looks: Sequence[Look], what: str, total: int) -> str:
    """`3 of 12 label maps`."""
    return f"{len(looks)} of {total} {what}"

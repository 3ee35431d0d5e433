"""What was published of an original: its mIoU as its makers state it, and where weights can be had."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A published mIoU in percent. `data`: data set and part of it; `protocol`: how it was measured; empty: not stated.

    `source`: where it stands.
    """

    miou: float
    data: str
    protocol: str
    source: str


@dataclass(frozen=True)
class Weights:
    """Published weights of the whole network. `licence`: under which their publisher gives them; empty: not stated."""

    where: str
    licence: str = ""


def figures(source: str, data: str, **protocols: float) -> tuple[Figure, ...]:
    """The figures of one row of a table: `figures("…", "Cityscapes val", single_scale=71.6)`."""
    return tuple(Figure(miou, data, words.replace("_", " "), source) for words, miou in protocols.items())

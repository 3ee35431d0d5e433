"""What labels mean: classes, their colours, and how the files of a data set number them.

A `LabelSpace` is a value that data sets share: BDD100K is labelled in the classes of Cityscapes, SBD in those of VOC. A
data set's files number the classes in one way or several (label ids, train ids, the 459 categories behind PASCAL
Context's 59): each is a `Numbering` of the space.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

IGNORE = 255
"""The label of pixels that count neither in the loss nor in the metrics, in every data set and everywhere."""

OUT_OF_RANGE = -1
"""In a table from stored values to classes: a value that must not occur."""


@dataclass(frozen=True)
class Numbering:
    """How files number the classes.

    stored: for each class the stored values that mean it; the first stands for it where predictions are written in
        this numbering. A class without any cannot occur.
    ignored: the stored values of pixels that count for no class.
    """

    stored: tuple[tuple[int, ...], ...]
    ignored: frozenset[int] = frozenset((IGNORE,))

    def __post_init__(self) -> None:
        seen: set[int] = set(self.ignored)
        for number, values in enumerate(self.stored):
            twice = seen.intersection(values)
            if twice or len(set(values)) < len(values):
                raise ValueError(f"class {number}: {sorted(twice) or values} stand for two things")
            seen.update(values)
        if any(not 0 <= value < 1 << 16 for value in seen):
            raise ValueError("stored values are numbers of 16 bits")

    @cached_property
    def table(self) -> np.ndarray:
        """int16 [256] or, where larger values are known, [65536]: stored value -> class, 255, or -1."""
        largest = max((value for values in (*self.stored, self.ignored) for value in values), default=0)
        table = np.full(256 if largest < 256 else 1 << 16, OUT_OF_RANGE, np.int16)
        table[sorted(self.ignored)] = IGNORE
        for number, values in enumerate(self.stored):
            table[list(values)] = number
        table.setflags(write=False)
        return table

    @cached_property
    def published(self) -> np.ndarray:
        """[C], uint8 or uint16: the value that stands for each class in files of this numbering."""
        kind = np.uint8 if len(self.table) == 256 else np.uint16
        return np.array([values[0] for values in self.stored], kind)

    def folded(self, classes: Iterable[int | None]) -> Numbering:
        """The numbering of a coarser space: `classes` says for each class here the class there, None for ignored."""
        wanted = list(classes)
        groups: list[list[int]] = [[] for _ in range(1 + max((n for n in wanted if n is not None), default=-1))]
        ignored = set(self.ignored)
        for values, number in zip(self.stored, wanted, strict=True):
            if number is None:
                ignored.update(values)
            else:
                groups[number].extend(values)
        return Numbering(tuple(map(tuple, groups)), frozenset(ignored))


@dataclass(frozen=True, eq=False)
class LabelSpace:
    """The classes that labels and predictions count, their colours, and the numberings in which files hold them.

    numberings: by name, the usual one first; those of a space without any are 0 … C-1, and 255 for ignored.
    void: what is labelled in the files and counts for no class, in words.
    """

    classes: tuple[str, ...]
    palette: np.ndarray  # uint8 [C, 3], RGB
    numberings: Mapping[str, Numbering] = field(default_factory=dict)
    void: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.palette.shape != (len(self.classes), 3) or self.palette.dtype != np.uint8:
            raise ValueError(f"{len(self.classes)} classes, but a palette {self.palette.dtype} {self.palette.shape}")
        for name, numbering in self.numberings.items():
            if len(numbering.stored) != len(self.classes):
                raise ValueError(f"numbering {name!r} has {len(numbering.stored)} of {len(self.classes)} classes")

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    def numbering(self, name: str | None = None) -> Numbering:
        """The numbering called `name`; None for the usual one. Raises KeyError."""
        if name is None:
            return next(iter(self.numberings.values()), None) or plain(self.num_classes)
        return self.numberings[name]


def plain(num_classes: int, ignored: Iterable[int] = (IGNORE,)) -> Numbering:
    """0 … C-1 as they are."""
    return Numbering(tuple((i,) for i in range(num_classes)), frozenset(ignored))


def counted_from(first: int, num_classes: int, ignored: Iterable[int] = (0, IGNORE)) -> Numbering:
    """`first` … `first` + C-1, as sets whose 0 is "unlabelled" store them."""
    return Numbering(tuple((first + i,) for i in range(num_classes)), frozenset(ignored))


@dataclass(frozen=True)
class Row:
    """A line of a table of classes: the stored values, the colour, the name."""

    stored: tuple[int, ...]
    color: tuple[int, int, int]
    name: str


def read_rows(text: str) -> tuple[Row, ...]:
    """A table written as text, a line a class: stored values parted by commas, colour in hexadecimals, name.

    "7 804080 road" is class "road", stored as 7, in RGB (128, 64, 128). Where a class has no stored values the first
    column is "-".
    """
    rows = []
    for line in filter(None, map(str.strip, text.splitlines())):
        stored, color, name = line.split(maxsplit=2)
        values = () if stored == "-" else tuple(map(int, stored.split(",")))
        red, green, blue = bytes.fromhex(color)
        rows.append(Row(values, (red, green, blue), name))
    return tuple(rows)


def palette_of(rows: Iterable[Row]) -> np.ndarray:
    """uint8 [C, 3]."""
    return np.array([row.color for row in rows], np.uint8).reshape(-1, 3)


def space_of(rows: tuple[Row, ...], ignored: Iterable[int] = (IGNORE,), void: tuple[str, ...] = ()) -> LabelSpace:
    """The space of a table of classes, with the numbering `stored` that it gives."""
    numbering = Numbering(tuple(row.stored for row in rows), frozenset(ignored))
    return LabelSpace(tuple(row.name for row in rows), palette_of(rows), {"stored": numbering}, void)


def voc_palette(count: int) -> np.ndarray:
    """uint8 [count, 3]: the colours of PASCAL VOC's development kit; bit i of a channel is a bit of the number."""
    bits, channels = np.arange(8), np.arange(3)
    set_ = np.arange(count)[:, None, None] >> (3 * bits + channels[:, None]) & 1  # [count, 3, 8]
    return (set_ << (7 - bits)).sum(2).astype(np.uint8)

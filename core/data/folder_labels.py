"""What labels mean, as a description in a configuration says it: names, stored numbers or colours, what is ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core.data.labels import IGNORE, LabelSpace, Numbering, voc_palette
from core.errors import DataError

LabelsAre = Literal["numbers", "colors", "red channel"]
Others = Literal["error", "ignored", "nearest"]
Color = tuple[int, int, int]


@dataclass(frozen=True)
class Described:
    """`painted`: with labels that are colours, each known colour and its class (255: ignored)."""

    space: LabelSpace
    painted: dict[Color, int]


def described_space(
    classes: tuple[str, ...] = (),
    labels_are: LabelsAre = "numbers",
    values: Mapping[str, Any] | None = None,
    zero_means: str = "first class",
    colors: Mapping[str, Any] | tuple[Any, ...] | None = None,
    ignore: tuple[Any, ...] | None = None,
) -> Described:
    """The label space of `Folder`'s options. Raises DataError, which names the option."""
    if not classes:
        raise DataError(
            "data set 'folder' needs the names of the classes (data.options.classes); "
            "`python -m core.data.describe FOLDER` writes a first description"
        )
    if len(set(classes)) < len(classes) or len(classes) > IGNORE:
        raise DataError(f"data.options.classes: expected at most {IGNORE} names, each once, got {len(classes)}")
    by_class = _colors(classes, colors)
    palette = voc_palette(len(classes))
    for number, choices in by_class.items():
        palette[number] = choices[0]
    if labels_are != "colors":
        numbering = _numbering(classes, values, zero_means, ignore)
        return Described(LabelSpace(tuple(classes), palette, {"stored": numbering}), {})
    if values or zero_means != "first class":
        raise DataError("data.options: with labels_are: colors nothing reads values and zero_means; give colors")
    painted = {color: number for number, choices in by_class.items() for color in choices}
    for color in ignore or ():
        if painted.setdefault(_color(color, "ignore"), IGNORE) != IGNORE:
            raise DataError(f"data.options.ignore: the colour {list(color)} is a class's")
    if sum(map(len, by_class.values())) + len(ignore or ()) > len(painted):
        raise DataError("data.options.colors: two classes have the same colour")
    if by_class and len(by_class) < len(classes):
        lacking = [name for number, name in enumerate(classes) if number not in by_class]
        raise DataError(f"data.options.colors: gives no colour of {', '.join(lacking)}")
    return Described(LabelSpace(tuple(classes), palette), painted)


def read_painted(image: np.ndarray, painted: Mapping[Color, int], others: Others, path: Path) -> np.ndarray:
    """uint8 [H, W, 3] -> class numbers uint8 [H, W]."""
    packed = image.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    present, places = np.unique(packed, return_inverse=True)
    known = {red << 16 | green << 8 | blue: number for (red, green, blue), number in painted.items()}
    numbers = np.array([known.get(int(color), -1) for color in present], np.int16)
    unknown = np.flatnonzero(numbers < 0)
    if unknown.size and others == "error":
        counts = np.bincount(places.ravel(), minlength=len(present))[unknown]
        color = int(present[unknown[counts.argmax()]])
        shown = (color >> 16, color >> 8 & 255, color & 255)
        raise DataError(
            f"{path}: {int(counts.sum())} pixels have colours that stand for no class, most of them {shown}: name it "
            "in data.options.colors or data.options.ignore, or say what others are (data.options.others)"
        )
    if unknown.size and others == "ignored":
        numbers[unknown] = IGNORE
    elif unknown.size:
        choices = np.array(list(painted), np.int64)  # [K, 3]
        wrong = present[unknown]
        wanted = np.stack([wrong >> 16, wrong >> 8 & 255, wrong & 255], 1).astype(np.int64)
        classes = np.array(list(painted.values()), np.int16)
        for start in range(0, len(wanted), 4096):  # blocks, so that noise of a million colours fits
            part = wanted[start : start + 4096]
            nearest = ((part[:, None] - choices) ** 2).sum(2).argmin(1)
            numbers[unknown[start : start + 4096]] = classes[nearest]
    return numbers.astype(np.uint8)[places].reshape(image.shape[:2])


def _numbering(
    classes: tuple[str, ...], values: Mapping[str, Any] | None, zero_means: str, ignore: tuple[Any, ...] | None
) -> Numbering:
    first = 1 if zero_means == "unlabelled" else 0
    stored: list[tuple[int, ...]] = [(first + number,) for number in range(len(classes))]
    if values is not None:
        given = {str(name): value for name, value in values.items()}
        _all_known(classes, given, "values")
        stored = [_numbers(given.get(name, []), f"values.{name}") for name in classes]
    used = {value for choices in stored for value in choices}
    ignored = {IGNORE} - used if ignore is None else set(_numbers(list(ignore), "ignore"))
    if zero_means == "unlabelled":
        if 0 in used:
            raise DataError("data.options: zero_means says that 0 is unlabelled, and values give it to a class")
        ignored.add(0)
    if both := used & ignored:
        raise DataError(f"data.options.ignore: {sorted(both)[0]} is stored for a class too (data.options.values)")
    try:
        return Numbering(tuple(stored), frozenset(ignored))
    except ValueError as error:
        raise DataError(f"data.options.values: {error}") from None


def _numbers(value: Any, key: str) -> tuple[int, ...]:
    found = value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(item, bool) or not isinstance(item, int) or not 0 <= item < 1 << 16 for item in found):
        raise DataError(f"data.options.{key}: expected numbers from 0 to 65535, got {value!r}")
    return tuple(found)


def _colors(classes: tuple[str, ...], colors: Mapping[str, Any] | tuple[Any, ...] | None) -> dict[int, list[Color]]:
    """For each class with colours: all of them, the first to show it."""
    if colors is None:
        return {}
    if not isinstance(colors, Mapping):
        if len(colors) != len(classes):
            raise DataError(f"data.options.colors: {len(colors)} colours for {len(classes)} classes")
        colors = dict(zip(classes, colors))
    colors = {str(name): value for name, value in colors.items()}
    _all_known(classes, colors, "colors")
    found = {}
    for number, name in enumerate(classes):
        if name in colors:
            value = colors[name]
            several = isinstance(value, (list, tuple)) and bool(value) and isinstance(value[0], (list, tuple))
            found[number] = [_color(item, f"colors.{name}") for item in (value if several else [value])]
    return found


def _color(value: Any, key: str) -> Color:
    whole = isinstance(value, (list, tuple)) and len(value) == 3
    if not whole or any(isinstance(part, bool) or not isinstance(part, int) or not 0 <= part <= 255 for part in value):
        raise DataError(f"data.options.{key}: expected a colour [R, G, B] of numbers from 0 to 255, got {value!r}")
    return value[0], value[1], value[2]


def _all_known(classes: tuple[str, ...], named: Mapping[str, Any], key: str) -> None:
    wrong = [name for name in named if name not in classes]
    if wrong:
        raise DataError(f"data.options.{key}: {wrong[0]!r} is none of data.options.classes")

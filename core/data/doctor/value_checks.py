"""Checks of what label maps hold: numbers that are no class, colours for numbers, noise, what 0 and 255 mean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from core.data.doctor.examine import Examination, Look
from core.data.doctor.finding import Finding, how_many, of_looks
from core.data.labels import IGNORE

_VOID = re.compile(r"unlabell?ed|void|ignored?|unknown|undefined|don.?t.?care|none|no.?label|\bnan\b", re.IGNORECASE)
_MANY = 8  # values that stand for nothing in one label map, from which on they look like noise
_NEAR = 0.8  # share of a noisy label map's pixels that its commonest values hold
_MOST = 0.5  # share of label maps in which a value must occur to be taken for the one that marks ignored pixels


def check_values(examined: Examination) -> Iterator[Finding]:
    looks = [look for look in examined.all() if look.pair.label is not None]
    yield from _lossy(looks)
    yield from _colored(looks, examined)
    yield from _palettes(looks, examined)
    noisy = _noisy(looks)
    yield from _noise(noisy, examined, len(looks))
    clean = [look for look in looks if look not in noisy and look.counts is not None]
    binary = list(_scaled(clean, examined))
    yield from binary
    if not binary:
        yield from _numbers(clean, examined)
        yield from _zero(clean, examined)
    yield from _void_class(clean, examined)


def _lossy(looks: list[Look]) -> Iterator[Finding]:
    lossy = [look for look in looks if look.lossy]
    if lossy:
        yield of_looks(
            "label-lossy", "error",
            f"{how_many(lossy, 'label maps', len(looks))} are {lossy[0].lossy}, which changes class numbers in writing",
            "export them anew as PNG from the tool they were drawn in; converting these files keeps the wrong numbers",
            lossy,
        )  # fmt: skip


def _colored(looks: list[Look], examined: Examination) -> Iterator[Finding]:
    """Several channels where numbers are expected, and numbers where colours are."""
    total = len(looks)
    failed = [look for look in looks if look.label_error and look.channels and not look.lossy]
    if examined.is_folder and examined.config.data.options.get("labels_are") == "colors":
        plain = [look for look in failed if look.channels == 1]
        if plain:
            yield of_looks(
                "label-numbers", "error",
                f"{how_many(plain, 'label maps', total)} hold numbers in one channel, where colours are expected",
                "set data.options.labels_are: numbers, and leave data.options.ignore to numbers", plain,
                settings={"data.options.labels_are": "numbers", "data.options.ignore": [IGNORE]},
            )  # fmt: skip
        yield from _unknown_colors([look for look in failed if look.channels > 1], examined, total)
        return
    deep = [look for look in failed if look.channels == 1]
    if deep:
        yield of_looks(
            "label-depth", "error", f"{how_many(deep, 'label maps', total)}: {deep[0].label_error.partition(': ')[2]}",
            "save them as PNG of 8 bits with the numbers of the classes", deep,
        )  # fmt: skip
    several = [look for look in failed if look.channels > 1]
    if not several:
        return
    mixed = len(several) < sum(look.counts is not None for look in looks) + len(several)
    alpha = [look for look in several if look.channels == 4]
    tail = "; the others have one channel: export all alike" if mixed else ""
    if all(look.equal_channels for look in several):
        settings = {"data.options.labels_are": "red channel"} if examined.is_folder else {}
        yield of_looks(
            "label-grey-rgb", "error",
            f"{how_many(several, 'label maps', total)} are pictures with {several[0].channels} equal channels of "
            f"numbers{tail}",
            "set data.options.labels_are: red channel (data set folder), or save one channel", several,
            settings=settings,
        )  # fmt: skip
        return
    yield of_looks(
        "label-alpha" if len(alpha) == len(several) else "label-colored",
        "error",
        f"{how_many(several, 'label maps', total)} are pictures of {several[0].channels} channels"
        f"{' (with an alpha channel)' if alpha else ''} with {several[0].num_colors} colours, not of class "
        f"numbers{tail}",
        "set data.options.labels_are: colors and data.options.colors: {class: [R, G, B]} (data set folder); the "
        f"commonest: {', '.join(map(str, several[0].colors[:6]))}",
        several,
        settings=_color_settings(several, examined),
    )


def _common_colors(looks: list[Look]) -> list[tuple[int, int, int]]:
    """The colours of label maps, each with those that occur in most of them first."""
    seen = Counter(color for look in looks for color in look.colors)
    return [color for color, _ in sorted(seen.items(), key=lambda item: (-item[1], item[0]))]


def _color_settings(looks: list[Look], examined: Examination) -> dict[str, Any]:
    """Colours for the classes: those that are described already, or all that occur, in order, with new names."""
    if not examined.is_folder or any(look.num_colors > len(look.colors) for look in looks):
        return {}
    known = examined.config.data.options.get("colors")
    settings: dict[str, Any] = {"data.options.labels_are": "colors", "data.options.ignore": []}
    if known:
        return settings
    colors = sorted(_common_colors(looks))
    names = list(examined.dataset.classes)
    if len(names) != len(colors):
        names = [f"color_{red:02x}{green:02x}{blue:02x}" for red, green, blue in colors]
    return {**settings, "data.options.classes": names, "data.options.colors": [list(color) for color in colors]}


def _unknown_colors(looks: list[Look], examined: Examination, total: int) -> Iterator[Finding]:
    if not looks:
        return
    noisy = [look for look in looks if look.num_colors > 3 * examined.dataset.num_classes + 16]
    if noisy:
        yield of_looks(
            "label-noise", "error",
            f"{how_many(noisy, 'label maps', total)} hold many colours ({noisy[0].num_colors} in the first) for "
            f"{examined.dataset.num_classes} classes, as after JPEG or a smooth resize",
            "export them anew; or set data.options.others: nearest, which takes the class with the nearest colour",
            noisy, settings={"data.options.others": "nearest"},
        )  # fmt: skip
    plain = [look for look in looks if look not in noisy]
    if plain:
        known = set(getattr(examined.dataset, "painted", {}))
        lacking = [color for color in _common_colors(plain) if color not in known]
        ignore = [*examined.config.data.options.get("ignore", ()), *map(list, lacking)]
        yield of_looks(
            "colors-unknown", "error",
            f"{how_many(plain, 'label maps', total)} hold colours that stand for no class: "
            f"{', '.join(map(str, lacking[:6]))}",
            "name them in data.options.colors, or in data.options.ignore", plain,
            settings={"data.options.ignore": ignore},
        )  # fmt: skip


def _palettes(looks: list[Look], examined: Examination) -> Iterator[Finding]:
    """Palette files whose numbers mean other colours from file to file: each was numbered by itself."""
    if examined.is_folder and examined.config.data.options.get("labels_are") == "colors":
        return
    shown: dict[int, dict[bytes, Look]] = {}
    for look in looks:
        if look.palette is not None:
            for value in look.stored:
                color = look.palette[3 * value : 3 * value + 3]
                shown.setdefault(value, {}).setdefault(color, look)
    different = {value: found for value, found in shown.items() if len(found) > 1}
    if not different:
        return
    value, found = next(iter(different.items()))
    (first, _), (second, other) = list(found.items())[:2]
    odd = [look for look in looks if look.palette is not None and any(
        next(iter(shown[v])) != look.palette[3 * v : 3 * v + 3] for v in look.stored
    )]  # fmt: skip
    colors = sorted({tuple(color) for found in shown.values() for color in found if len(color) == 3})
    settings: dict[str, Any] = {}
    if examined.is_folder:
        fitting = len(colors) == examined.dataset.num_classes
        settings = {
            "data.options.labels_are": "colors",
            "data.options.colors": [list(color) for color in colors],
            "data.options.ignore": [],
            "data.options.classes": list(examined.dataset.classes)
            if fitting
            else ["color_" + bytes(color).hex() for color in colors],
        }
    yield of_looks(
        "palette-differs", "error",
        f"number {value} is {tuple(first)} in one palette and {tuple(second)} in that of {other.pair.label}: the "
        "colours mean the classes, not the numbers",
        "set data.options.labels_are: colors and data.options.colors: {class: [R, G, B]} (data set folder)", odd,
        settings=settings,
    )  # fmt: skip


def _noisy(looks: list[Look]) -> list[Look]:
    """Label maps with many values that stand for nothing, of which few are common."""
    noisy = []
    for look in looks:
        if len(look.unknown) < _MANY or look.pixels == 0:
            continue
        common = sorted(look.stored.values(), reverse=True)[: max(2, len(look.stored) // 4)]
        if sum(common) > _NEAR * look.pixels:
            noisy.append(look)
    return noisy


def _noise(noisy: list[Look], examined: Examination, total: int) -> Iterator[Finding]:
    if not noisy:
        return
    first = noisy[0]
    settings: dict[str, Any] = {}
    peaks = _peaks(noisy, examined.dataset.num_classes)
    if examined.is_folder and len(peaks) == examined.dataset.num_classes and min(np.diff(peaks), default=0) >= _MANY:
        values = dict(zip(examined.dataset.classes, peaks))
        settings = {"data.options.others": "nearest", "data.options.values": values, "data.options.ignore": []}
    yield of_looks(
        "label-noise", "error",
        f"{how_many(noisy, 'label maps', total)} hold many values ({len(first.stored)} in the first) around few common "
        f"ones ({', '.join(map(str, peaks[:8]))}), as after JPEG or a smooth resize",
        "export them anew as PNG; where the common values lie far apart, data.options.values with them and "
        "data.options.others: nearest (data set folder) takes the nearest", noisy, settings=settings,
    )  # fmt: skip


def _peaks(looks: list[Look], wanted: int) -> list[int]:
    """The commonest values, at least _MANY apart, in order."""
    counts: Counter[int] = Counter()
    for look in looks:
        counts.update(look.stored)
    found: list[int] = []
    for value, _ in counts.most_common():
        if len(found) < wanted and all(abs(value - other) >= _MANY for other in found):
            found.append(value)
    return sorted(found)


def _occurring(looks: list[Look]) -> Counter[int]:
    """In how many label maps each stored value occurs."""
    return Counter(value for look in looks for value in look.stored)


def _scaled(looks: list[Look], examined: Examination) -> Iterator[Finding]:
    """Numbers spread over 0..255 (or 0..65535) so that the eye sees them: 0 and 255, or 0, 128, 255."""
    if examined.is_folder and examined.config.data.options.get("labels_are") == "colors":
        return
    names = examined.dataset.classes
    seen = sorted(_occurring(looks))
    whole = [value for value in seen if value]
    if len(seen) < 2 or len(names) < 2 or min(np.diff(seen)) < 2 or max(seen) < 100:
        return
    taken = {value for choices in examined.dataset.space.numbering().stored for value in choices}
    if set(seen) <= taken or len(seen) > len(names):
        return
    if not any(look.unknown for look in looks) and seen != [0, IGNORE]:
        return
    deep = max(seen) > 255
    kind = "label-16-bits" if deep else "label-binary" if seen == [0, IGNORE] else "label-spread"
    settings: dict[str, Any] = {}
    if examined.is_folder and len(seen) == len(names):
        settings = {"data.options.values": dict(zip(names, seen)), "data.options.ignore": []}
    what = f"label maps hold the values {', '.join(map(str, seen[:8]))} alone"
    if kind == "label-binary":
        what += ", and 255 is ignored: nothing but 0 is ever learnt"
    pairs = ", ".join(f"{name}: {value}" for name, value in zip(names, seen))
    yield of_looks(
        kind, "error", what,
        f"set data.options.values: {{{pairs}}} and data.options.ignore: [] (data set folder), or store the numbers "
        f"0 to {len(names) - 1}",
        [look for look in looks if set(look.stored) & set(whole)], settings=settings,
    )  # fmt: skip


def _numbers(looks: list[Look], examined: Examination) -> Iterator[Finding]:
    """Values that stand for nothing, and what they most likely are."""
    wrong = [look for look in looks if look.unknown]
    if not wrong:
        return
    count, names = examined.dataset.num_classes, examined.dataset.classes
    unknown = sorted({value for look in wrong for value in look.unknown})
    often, pixels = _occurring(looks), Counter[int]()
    for look in looks:
        pixels.update(look.stored)
    options: Mapping[str, Any] = examined.config.data.options
    free = examined.is_folder and "values" not in options and options.get("zero_means", "first class") == "first class"
    shown = ", ".join(map(str, unknown[:10])) + (", …" if len(unknown) > 10 else "")
    base = f"{how_many(wrong, 'label maps', len(looks))} hold values that stand for nothing: {shown}"
    above = [value for value in unknown if value < IGNORE]
    single = len(unknown) == 1
    ignored = [*options.get("ignore", (IGNORE,)), *unknown]
    if unknown == [count] and often[0] == 0:
        yield of_looks(
            "off-by-one", "error", f"{base}; they are 1 to {count} and 0 never occurs: the numbers start at 1",
            "set data.options.zero_means: unlabelled (data set folder), or store numbers from 0", wrong,
            settings={"data.options.zero_means": "unlabelled"} if free else {},
        )  # fmt: skip
    elif single and often[unknown[0]] >= _MOST * len(looks) and pixels[unknown[0]] < 0.5 * pixels.total():
        if unknown == [count] and pixels[0] < pixels[count]:
            yield _zero_too_many(base, count, wrong, free)
            return
        yield of_looks(
            "ignore-index", "error",
            f"{base}; it occurs in {often[unknown[0]]} of {len(looks)} label maps, as what marks ignored pixels does",
            f"set data.options.ignore: {ignored} (data set folder); if it is a class, name it in data.options.classes",
            wrong, settings={"data.options.ignore": ignored} if examined.is_folder else {},
        )  # fmt: skip
    elif unknown == [count] and often[0]:
        yield _zero_too_many(base, count, wrong, free)
    elif above == unknown and unknown == list(range(count, count + len(unknown))):
        further = [*names, *(f"class_{value}" for value in unknown)]
        yield of_looks(
            "too-few-classes", "error", f"{base}; data.options.classes names {count}",
            f"name {len(unknown)} more classes (data.options.classes), or list these in data.options.ignore", wrong,
            settings={"data.options.classes": further} if free else {},
        )  # fmt: skip
    else:
        yield of_looks(
            "values-out-of-range", "error", base,
            "say which class they are (data.options.values), list them in data.options.ignore, or set "
            "data.options.others: ignored (data set folder)", wrong,
            settings={"data.options.ignore": ignored} if examined.is_folder else {},
        )  # fmt: skip


def _zero_too_many(base: str, count: int, wrong: list[Look], free: bool) -> Finding:
    return of_looks(
        "zero-is-one-more", "error",
        f"{base}; with 0 there are {count + 1} numbers for {count} classes: 0 is most likely unlabelled",
        "set data.options.zero_means: unlabelled (data set folder); if 0 is a class (background), name it first in "
        "data.options.classes", wrong, settings={"data.options.zero_means": "unlabelled"} if free else {},
    )  # fmt: skip


def _zero(looks: list[Look], examined: Examination) -> Iterator[Finding]:
    """Background that is taken for ignored pixels."""
    options = examined.config.data.options
    if not examined.is_folder or options.get("zero_means") != "unlabelled":
        return
    zeros = sum(look.stored.get(0, 0) for look in looks)
    total = sum(look.pixels for look in looks)
    if not total or zeros < _MOST * total:
        return
    yield of_looks(
        "background-ignored", "warning",
        f"0 holds {zeros / total:.0%} of all pixels and is ignored: the network will call them all one of "
        f"{examined.dataset.num_classes} classes",
        "if 0 is background, name it: data.options.classes: [background, …] and data.options.zero_means: first class",
        [look for look in looks if look.stored.get(0)],
        settings={
            "data.options.classes": ["background", *examined.dataset.classes],
            "data.options.zero_means": "first class",
        } if "values" not in options else {},
    )  # fmt: skip


def _void_class(looks: list[Look], examined: Examination) -> Iterator[Finding]:
    """A class by the name of what is no class."""
    names = examined.dataset.classes
    void = [number for number, name in enumerate(names) if _VOID.fullmatch(name.strip())]
    occurring = [look for look in looks if look.counts is not None and look.counts[void].any()] if void else []
    if not occurring:
        return
    named = ", ".join(names[number] for number in void)
    settings: dict[str, Any] = {}
    if examined.is_folder and examined.config.data.options.get("labels_are", "numbers") != "colors":
        numbering = examined.dataset.space.numbering()
        rest = [number for number in range(len(names)) if number not in void]
        settings = {
            "data.options.classes": [names[number] for number in rest],
            "data.options.values": {names[number]: list(numbering.stored[number]) for number in rest},
            "data.options.ignore": sorted(numbering.ignored | {v for number in void for v in numbering.stored[number]}),
            "data.options.zero_means": "first class",
        }
    yield of_looks(
        "void-as-class", "warning", f"class {named} sounds like pixels without a class, and is learnt as one",
        "take it out of data.options.classes and list its number in data.options.ignore (data set folder)", occurring,
        settings=settings,
    )  # fmt: skip

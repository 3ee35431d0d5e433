"""Checks of single files: there, whole, readable, of one size, with something labelled."""

from __future__ import annotations

from collections.abc import Iterator

from core.data.doctor.examine import Examination, Look
from core.data.doctor.finding import Finding, how_many, left_out, of_looks

_AGAIN = "fetch or export the files again, or leave them out (data.options.leave_out of data set folder)"


def check_files(examined: Examination) -> Iterator[Finding]:
    looks = list(examined.all())
    yield from _unreadable(looks, examined)
    yield from _pairs(looks, examined)
    yield from _sizes(looks, examined)
    yield from _turned(looks)
    yield from _blank(looks, examined)


def _mend(examined: Examination, looks: list[Look]) -> dict[str, object]:
    return left_out(looks) if examined.is_folder else {}


def _unreadable(looks: list[Look], examined: Examination) -> Iterator[Finding]:
    for labels, what in ((False, "pictures"), (True, "label maps")):
        broken = [look for look in looks if (look.label_error if labels else look.image_error)]
        if labels:  # coloured, lossy and deep ones are read well enough; core.data.doctor.value_checks tells of them
            broken = [look for look in broken if not look.channels and not look.lossy and look.pair.label]
        name = "label" if labels else "picture"
        empty = [look for look in broken if (look.label_bytes if labels else look.image_bytes) == 0]
        dark = [look for look in broken if not labels and "convert" in look.image_error]
        rest = [look for look in broken if look not in empty and look not in dark]
        total = len(looks)
        if empty:
            yield of_looks(
                f"{name}-file-empty", "error", f"{how_many(empty, what, total)} are files of 0 bytes", _AGAIN, empty,
                labels=labels, settings=_mend(examined, empty),
            )  # fmt: skip
        if dark:
            yield of_looks(
                "picture-depth", "error", f"{how_many(dark, what, total)}: {_reason(dark[0].image_error)}",
                "convert these pictures to 8 bits", dark, labels=False, settings=_mend(examined, dark),
            )  # fmt: skip
        if rest:
            first = rest[0].label_error if labels else rest[0].image_error
            yield of_looks(
                f"{name}-unreadable", "error",
                f"{how_many(rest, what, total)} cannot be read; the first: {_reason(first)}", _AGAIN, rest,
                labels=labels, settings=_mend(examined, rest),
            )  # fmt: skip


def _reason(message: str) -> str:
    """An error without the file, which is named beside it."""
    return message.partition(": ")[2] or message


def _pairs(looks: list[Look], examined: Examination) -> Iterator[Finding]:
    lacking = [look for look in looks if look.pair.label is None]
    if lacking:
        yield of_looks(
            "label-missing",
            "error",
            f"{how_many(lacking, 'pictures', len(looks))} have no label map",
            "see whether data.options.labels fits these names; label them, or set data.options.labelled_only: true"
            if examined.is_folder
            else "label them or take the pictures away; prediction needs no labels",
            lacking,
            labels=False,
            settings={"data.options.labelled_only": True} if examined.is_folder else {},
        )
    if examined.orphans:
        yield Finding(
            "picture-missing",
            "warning",
            f"{len(examined.orphans)} label maps have no picture",
            "see whether data.options.images fits their names; else add the pictures or take the label maps away",
            examined.orphans,
            len(examined.orphans),
        )
    same = [look for look in looks if look.pair.label and look.pair.label == look.pair.image]
    if same:
        yield of_looks(
            "label-is-picture", "error", f"{how_many(same, 'label maps', len(looks))} are the pictures themselves",
            "tell pictures and label maps apart in data.options.images and data.options.labels", same,
        )  # fmt: skip


def _sizes(looks: list[Look], examined: Examination) -> Iterator[Finding]:
    wrong = [
        look for look in looks if look.size and look.label_size and look.label_size not in (look.size, look.stored_size)
    ]
    if not wrong:
        return
    first = wrong[0]
    assert first.size is not None
    assert first.label_size is not None
    swapped = all(look.size and look.label_size == look.size[::-1] for look in wrong)
    kind = "sides-swapped" if swapped else "size-differs"
    what = (
        f"{how_many(wrong, 'label maps', len(looks))} have another size than their pictures; the first is "
        f"{_text(first.label_size)}, its picture {_text(first.size)} (width x height)"
    )
    advice = "export label maps at the pictures' size (nearest neighbour, never smooth)"
    if swapped:
        advice = "turn the label maps by 90 degrees, or export them anew"
    yield of_looks(kind, "error", what, f"{advice}, or leave them out", wrong, settings=_mend(examined, wrong))


def _text(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def _turned(looks: list[Look]) -> Iterator[Finding]:
    turned = [look for look in looks if look.orientation > 1 and look.label_size]
    raw = [look for look in turned if look.orientation >= 5 and look.label_size == look.stored_size != look.size]
    half = [look for look in turned if look.orientation < 5]
    if raw:
        yield of_looks(
            "exif-label-as-stored",
            "warning",
            f"{how_many(raw, 'pictures', len(looks))} are turned by their EXIF orientation, and their label maps are "
            "not: they train as they are stored, while `predict` gives upright label maps",
            "write these pictures and label maps upright, without an orientation",
            raw,
            labels=False,
        )
    if half:
        yield of_looks(
            "exif-turned",
            "warning",
            f"{how_many(half, 'pictures', len(looks))} are mirrored or turned by 180 degrees by their EXIF "
            "orientation: sizes do not tell whether their label maps are, and they are taken to be upright",
            "look at them (browse), and write these pictures upright, without an orientation",
            half,
            labels=False,
        )


def _blank(looks: list[Look], examined: Examination) -> Iterator[Finding]:
    read = [look for look in looks if look.counts is not None and not look.unknown]
    blank = [look for look in read if look.counts is not None and not look.counts.any()]
    if blank and len(blank) == len(read):
        return  # core.data.doctor.class_checks says that nothing at all is labelled
    if blank:
        yield of_looks(
            "all-ignored", "warning",
            f"{how_many(blank, 'label maps', len(read))} have no labelled pixel: every one is ignored",
            "leave them out: nothing is learnt from them", blank, settings=_mend(examined, blank),
        )  # fmt: skip
    flat = [look for look in looks if look.size and float((look.square - look.mean**2).max()) < 1e-6]
    if flat:
        yield of_looks(
            "picture-blank", "warning", f"{how_many(flat, 'pictures', len(looks))} are of one colour all over",
            "leave them out, or fetch them again", flat, labels=False, settings=_mend(examined, flat),
        )  # fmt: skip

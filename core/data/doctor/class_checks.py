"""Checks of the whole: which classes occur and how often, and whether the splits are apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from core.data.datasets.base import few_classes
from core.data.doctor.examine import Examination, Look
from core.data.doctor.finding import Finding, left_out, of_looks
from core.losses.class_weights import ClassCounts, class_weights

RARE = 1e-3  # share of the labelled pixels below which a class is hardly learnt without help
_NEAR_ALIKE = 1.5  # grey levels between thumbnails of pictures that are the same but for their compression
_COMPARED = 4000  # pictures; more are compared by their pixels alone


def check_classes(examined: Examination) -> Iterator[Finding]:
    train = next(iter(examined.looks))
    counts = examined.counts(train)
    names = examined.dataset.classes
    looks = [look for look in examined.looks[train] if look.counts is not None]
    if not looks:
        return
    few = few_classes(counts, examined.datasets[train], f"the {len(looks)} label maps looked at")
    if few:
        nothing = not counts.any()
        yield Finding(
            "nothing-labelled" if nothing else "one-class", "error" if nothing else "warning", few,
            "see what the label maps store, and what data.options.values and data.options.ignore make of it",
            tuple(look.pair.label for look in looks[:3] if look.pair.label), len(looks), looks=tuple(looks[:1]),
        )  # fmt: skip
        return
    yield from _never(examined, train, counts)
    total = counts.sum()
    rare = [number for number in np.flatnonzero(counts) if counts[number] < RARE * total]
    if rare:
        listed = ", ".join(f"{names[number]} ({counts[number] / total:.2%})" for number in rare[:8])
        holding = [look for look in looks if look.counts is not None and look.counts[rare].any()]
        yield Finding(
            "class-rare", "note",
            f"{_classes(rare)} with less than {RARE:.1%} of the labelled pixels of {train}: {listed}",
            "weigh the classes: loss.class_weights: enet, or the weights of the table",
            count=len(rare), settings={"loss.class_weights": "enet"}, looks=tuple(holding[:1]),
        )  # fmt: skip
    ignored = sum(look.ignored for look in looks)
    if ignored > 0.5 * (ignored + total):
        yield of_looks(
            "mostly-ignored", "warning", f"{ignored / (ignored + total):.0%} of all pixels of {train} are ignored",
            "see whether one of the ignored numbers (data.options.ignore, zero_means) is a class", looks,
        )  # fmt: skip


def _never(examined: Examination, train: str, counts: np.ndarray) -> Iterator[Finding]:
    names = examined.dataset.classes
    anywhere = sum(examined.counts(split) for split in examined.looks)
    never = [number for number in range(len(names)) if not np.broadcast_to(anywhere, len(names))[number]]
    hedge = " in the label maps looked at" if examined.sampled else ""
    if len(never) > len(names) // 2 and len(names) > 4:
        yield Finding(
            "too-many-classes", "warning",
            f"{len(never)} of {len(names)} classes never occur{hedge}: "
            f"{', '.join(names[number] for number in never[:8])}{', …' if len(never) > 8 else ''}",
            "name those that occur (data.options.classes with data.options.values), or see whether the numbers are "
            "those of this list", count=len(never),
        )  # fmt: skip
    elif never:
        yield Finding(
            "class-never", "warning",
            f"{_classes(never)} never occurring{hedge}: {', '.join(names[number] for number in never[:8])}",
            "take them out of data.options.classes, add pictures that show them, or split anew (data.options.seed)",
            count=len(never),
        )  # fmt: skip
    for split in list(examined.looks)[1:]:
        here = examined.counts(split)
        unseen = [number for number in range(len(names)) if counts[number] == 0 and here[number]]
        if unseen:
            yield Finding(
                "class-unseen", "warning",
                f"{split} holds classes that {train} never shows{hedge}: {', '.join(names[n] for n in unseen[:8])}",
                "split anew (data.options.seed): a network cannot learn what it is not shown", count=len(unseen),
            )  # fmt: skip
        absent = [number for number in range(len(names)) if counts[number] and not here[number]]
        if absent:
            yield Finding(
                "class-unscored", "note",
                f"{split} never shows {_classes(absent)}{hedge}: {', '.join(names[n] for n in absent[:8])}",
                "the mean leaves out what is neither labelled nor predicted (metrics.absent)", count=len(absent),
            )  # fmt: skip


def _classes(numbers: list[int]) -> str:
    return f"{len(numbers)} class{'es' if len(numbers) > 1 else ''}"


def check_splits(examined: Examination) -> Iterator[Finding]:
    yield from _duplicates(examined)
    splits = list(examined.looks)
    for number, first in enumerate(splits):
        for second in splits[number + 1 :]:
            yield from _overlap(examined, first, second)
    size, batch = len(examined.datasets[splits[0]]), examined.config.train.batch_size
    if size < batch:
        yield Finding(
            "set-smaller-than-batch", "note",
            f"{splits[0]} holds {size} pictures, a batch takes {batch}: pictures come more than once in it",
            f"set train.batch_size: {max(2, size // 2)}", count=size,
            settings={"train.batch_size": max(2, size // 2), "train.accumulation": 1},
        )  # fmt: skip


def _duplicates(examined: Examination) -> Iterator[Finding]:
    for split, looks in examined.looks.items():
        groups: dict[bytes, list[Look]] = {}
        for look in looks:
            if look.digest:
                groups.setdefault(look.digest, []).append(look)
        several = [found for found in groups.values() if len(found) > 1]
        at_odds = [found for found in several if len({look.label_digest for look in found}) > 1]
        for found, kind, level, tail in (
            (at_odds, "duplicate-labels-differ", "error", " with different label maps"),
            ([found for found in several if found not in at_odds], "duplicate", "warning", ""),
        ):
            if found:
                further = [look for group in found for look in group[1:]]
                yield Finding(
                    kind, level,  # type: ignore[arg-type]
                    f"{len(further)} of {len(looks)} pictures of {split} are there already under another name{tail}: "
                    f"{further[0].pair.image.name} is {found[0][0].pair.image.name}",
                    "keep one of each" + (", the one that is labelled right" if tail else ""),
                    tuple(look.pair.image for look in further), len(further),
                    left_out(further) if examined.is_folder else {}, (further[0], found[0][0]),
                )  # fmt: skip
        yield from _same_labels(looks, split)


def _same_labels(looks: list[Look], split: str) -> Iterator[Finding]:
    """One label map for different pictures, where it shows more than one thing."""
    groups: dict[bytes, list[Look]] = {}
    for look in looks:
        if look.label_digest and look.counts is not None and np.count_nonzero(look.counts) > 1:
            groups.setdefault(look.label_digest, []).append(look)
    found = [group for group in groups.values() if len({look.digest for look in group}) > 1]
    if found:
        further = [look for group in found for look in group[1:]]
        yield Finding(
            "label-repeated", "warning",
            f"{len(further)} pictures of {split} have the label map of another picture, pixel for pixel: "
            f"{found[0][0].pair.label} and {further[0].pair.label}",
            "see which picture it belongs to", tuple(look.pair.label for look in further if look.pair.label),
            len(further), looks=(found[0][0], further[0]),
        )  # fmt: skip


def _overlap(examined: Examination, first: str, second: str) -> Iterator[Finding]:
    """Pictures of one split that are in another: the same file, the same name, the same pixels, or nearly the same."""
    ours, theirs = examined.looks[first], examined.looks[second]
    files = {look.pair.image.resolve() for look in ours}
    same = [look for look in theirs if look.pair.image.resolve() in files]
    names = {look.name for look in ours}
    named = [look for look in theirs if look not in same and look.name in names]
    digests = {look.digest for look in ours if look.digest}
    equal = [look for look in theirs if look.digest in digests and look not in same]
    named = [look for look in named if look not in equal]
    alike = [look for look in _alike(ours, theirs) if look not in same and look not in equal]
    mend: dict[str, Any]
    for found, kind, level, what in (
        (same, "split-overlap-file", "error", "are pictures of"),
        (equal, "split-overlap-content", "error", "have the same pixels as pictures of"),
        (named, "split-overlap-name", "warning", "share their names with pictures of"),
        (alike, "split-overlap-near", "warning", "are nearly the same as pictures of"),
    ):  # fmt: skip
        if not found:
            continue
        mend = left_out(found) if examined.is_folder else {}
        yield of_looks(
            kind, level,  # type: ignore[arg-type]
            f"{len(found)} of {len(theirs)} pictures of {second} {what} {first}: scores of {second} are too good",
            f"take them out of {second} (data.options.leave_out of data set folder, or the list file)"
            if kind != "split-overlap-name"
            else "see whether they show the same scene; if so, take them out of one split",
            found, labels=False, settings=mend if kind != "split-overlap-name" else {},
        )  # fmt: skip


def _alike(ours: list[Look], theirs: list[Look]) -> list[Look]:
    """Those of `theirs` whose thumbnail is, but for rounding, one of `ours`."""
    if not 0 < len(ours) <= _COMPARED or len(theirs) > _COMPARED:
        return []
    known = np.array([look.thumbnail for look in ours if look.thumbnail is not None])
    found = []
    for look in theirs:
        if look.thumbnail is not None and len(known) and look.thumbnail.std() > 8:
            distance = np.abs(known - look.thumbnail).mean(1).min()
            if distance < _NEAR_ALIKE:
                found.append(look)
    return found


def suggested_weights(examined: Examination) -> dict[str, list[float]]:
    """The weights that the rules of loss.class_weights give for the first split, by rule; empty for unlabelled sets."""
    looks = [look for look in examined.looks[next(iter(examined.looks))] if look.counts is not None]
    pixels = examined.counts(next(iter(examined.looks)))
    if not pixels.any():
        return {}
    around = np.zeros_like(pixels)
    for look in looks:
        assert look.counts is not None
        around += np.where(look.counts > 0, look.counts.sum(), 0)
    counts = ClassCounts(pixels, around)
    return {rule: list(class_weights(rule, counts)) for rule in ("enet", "median_frequency")}

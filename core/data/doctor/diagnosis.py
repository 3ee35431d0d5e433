"""All checks in order, and the first aid that training gives by itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from core.config import Config
from core.data.datasets.base import Dataset, FileDataset
from core.data.doctor.class_checks import check_classes, check_splits
from core.data.doctor.examine import Examination, look_at, spread
from core.data.doctor.file_checks import check_files
from core.data.doctor.finding import LEVELS, Finding
from core.data.doctor.picture_checks import check_pictures
from core.data.doctor.value_checks import check_values
from core.errors import DataError

Check = Callable[[Examination], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (check_files, check_values, check_classes, check_splits, check_pictures)

_MISREAD = 0.1  # share of the label maps


def diagnose(examined: Examination) -> list[Finding]:
    """What all checks find, the worst first."""
    found: list[Finding] = []
    for check in CHECKS:
        if check is not check_classes or not _hide_classes(found, examined):
            found += check(examined)
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def _hide_classes(found: list[Finding], examined: Examination) -> bool:
    """Whether so many label maps are misread that how often classes occur says nothing yet."""
    values = {finding.kind for finding in check_values(examined)}
    misread = max((finding.count for finding in found if finding.kind in values), default=0)
    return misread > _MISREAD * sum(1 for _ in examined.all())


def first_aid(config: Config, train_set: FileDataset, val_set: FileDataset, count: int = 8) -> list[Finding]:
    """The errors and warnings that `count` pairs of each split and the lists of files show: the cheap part."""
    datasets = {"train": train_set, "val": val_set}
    looks = {
        split: [look_at(dataset, split, index, False) for index in spread(len(dataset), count)]
        for split, dataset in datasets.items()
    }
    examined = Examination(config, datasets, looks, sampled=True)
    found = [finding for check in (check_files, check_values) for finding in check(examined)]
    common = _shared_files(train_set, val_set) if train_set.split != val_set.split else []
    if common:
        found.append(
            Finding(
                "split-overlap-file", "warning",
                f"{len(common)} of {len(val_set)} pictures of {val_set.split} are pictures of {train_set.split}: "
                "its scores are too good", "take them out of one split", tuple(common), len(common),
            )
        )  # fmt: skip
    return [finding for finding in found if finding.level != "note"]


def require_sound(config: Config, train_set: Dataset, val_set: Dataset) -> None:
    """First aid for data sets of files: says what is wrong. Raises DataError for what cannot be trained on."""
    if not (isinstance(train_set, FileDataset) and isinstance(val_set, FileDataset)):
        return
    for finding in first_aid(config, train_set, val_set):
        first = f"{finding.files[0]}: " if finding.files else ""
        if any(look.fails for look in finding.looks) and not (config.data.skips and _in_training(finding, train_set)):
            if finding.kind.endswith(("-unreadable", "-file-empty")):
                raise DataError(finding.looks[0].image_error or finding.looks[0].label_error)
            raise DataError(
                f"{first}{finding.what} (of a few looked at): {finding.advice}. `python -m core.data.doctor --cfg …` "
                "looks at all"
            )
        print(f"WARNING: {first}{finding.what}: {finding.advice}", file=sys.stderr)


def _in_training(finding: Finding, train_set: Dataset) -> bool:
    """Whether pictures of the training set alone are concerned."""
    return all(look.split == "train" for look in finding.looks) and finding.count < len(train_set)


def _shared_files(first: FileDataset, second: FileDataset) -> list[Path]:
    known = {pair.image for pair in first.pairs}
    return [pair.image for pair in second.pairs if pair.image in known]

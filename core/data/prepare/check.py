"""Looks at a prepared data set: counts against the published ones, and every picture and label map, as training reads
it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core.data.datasets import open_dataset
from core.data.datasets.base import FileDataset
from core.errors import DataError, SplitMissing

How = Literal["all", "sample", "none"]
_SAMPLE = 20
_SHOWN = 5


@dataclass(frozen=True)
class Split:
    """What was found of one split with one choice of options; `published` is None where no count is known."""

    name: str
    options: Mapping[str, Any]
    count: int
    published: int | None

    def __str__(self) -> str:
        options = "".join(f", {key}={value}" for key, value in self.options.items())
        known = "" if self.published is None else f" ({self.published} are published)"
        return f"{self.name}{options}: {self.count} pictures{known}"


def check(
    dataset: type[FileDataset],
    root: Path,
    how: How = "all",
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Split]:
    """Every split that is there, as it is read here.

    Args:
        how: read every sample, 20 spread over each split, or none.
        progress: told how many samples are read, of how many.

    Raises:
        DataError: no split is there, or pictures and label maps are lacking, damaged, of different sizes, or with
        values
            out of range: the first five are named.
    """
    found = list(_splits(dataset, root))
    if not found:
        raise DataError(
            f"{root}: holds no split of data set {dataset.name!r}: archives are lacking, see docs/data_sets.md"
        )
    work: dict[tuple[Path, str], tuple[FileDataset, int]] = {}
    for _, opened in found:
        for index in _chosen(len(opened), how):
            pair = opened.pairs[index]
            work.setdefault((pair.image, str(pair.label)), (opened, index))
    wrong: list[str] = []
    with ThreadPoolExecutor(workers) as pool:
        try:
            for done, error in enumerate(pool.map(_read, work.values()), 1):
                if error is not None:
                    wrong.append(error)
                progress(done, len(work))
        except BaseException:  # an interrupt waits for what is being read, not for all that is planned
            pool.shutdown(cancel_futures=True)
            raise
    if wrong:
        shown = "; ".join(wrong[:_SHOWN]) + ("; …" if len(wrong) > _SHOWN else "")
        raise DataError(f"{root}: {len(wrong)} of {len(work)} samples of data set {dataset.name!r} are wrong: {shown}")
    return [split for split, _ in found]


def _chosen(count: int, how: How) -> list[int]:
    if how == "none":
        return []
    return list(range(count)) if how == "all" else np.unique(np.linspace(0, count - 1, _SAMPLE).astype(int)).tolist()


def _splits(dataset: type[FileDataset], root: Path) -> Iterator[tuple[Split, FileDataset]]:
    """The splits that can be opened; one of which nothing is there, or no label, is left out, and one seen already."""
    counts = dataset.facts.counts if dataset.facts else {}
    seen: set[tuple[str, tuple[Path | None, ...]]] = set()
    for options in dataset.variants:
        for name in dataset.splits:
            try:
                opened = open_dataset(dataset.name, name, root, require_labels=False, **options)
            except SplitMissing:
                continue
            assert isinstance(opened, FileDataset)
            labelled = sum(pair.label is not None for pair in opened.pairs)
            if name not in dataset.unlabelled:
                if not labelled:
                    continue
                if labelled < len(opened):
                    open_dataset(dataset.name, name, root, **options)  # says which labels are lacking
            labels = (name, tuple(pair.label for pair in opened.pairs))
            if labels in seen:
                continue
            seen.add(labels)
            yield Split(name, options, len(opened), counts.get(name)), opened


def _read(sample: tuple[FileDataset, int]) -> str | None:
    """What is wrong with a sample, or None."""
    dataset, index = sample
    try:
        dataset[index]
    except DataError as error:
        return str(error)
    return None

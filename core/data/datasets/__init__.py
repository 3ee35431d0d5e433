"""The data sets: a file in this folder with a `Dataset` subclass that has a `name` is one, found by being there."""

import difflib
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.data.datasets.base import Dataset, Sample
from core.data.labels import IGNORE, LabelSpace
from core.errors import ConfigError, DataError
from core.schema import convert

__all__ = ["DATASETS", "IGNORE", "Dataset", "LabelSpace", "Sample", "label_space", "open_dataset"]


def _found() -> dict[str, type[Dataset]]:
    """The named `Dataset` subclasses of this folder's modules, by name."""
    found: dict[str, type[Dataset]] = {}
    for info in pkgutil.iter_modules(__path__):
        path = f"{__name__}.{info.name}"
        if info.name.startswith("_"):
            continue  # __main__ runs when it is imported
        for member in vars(importlib.import_module(path)).values():
            if not (isinstance(member, type) and issubclass(member, Dataset) and "name" in vars(member)):
                continue
            of_module = member.__module__ == path or member.__module__.startswith(f"{path}.")
            if of_module and found.setdefault(member.name, member) is not member:
                raise TypeError(f"{path}: there are two data sets {member.name!r}")
    return found


DATASETS: dict[str, type[Dataset]] = _found()


def find_dataset(name: str) -> type[Dataset]:
    """The class of the data set called `name`. Raises DataError."""
    if name not in DATASETS:
        close = difflib.get_close_matches(name, DATASETS, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise DataError(f"there is no data set {name!r} (there are: {', '.join(sorted(DATASETS))}){hint}")
    return DATASETS[name]


def checked_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """`options` as the data set's constructor takes them: known names, types and ranges. Raises DataError."""
    dataset = find_dataset(name)
    accepted = [key for key in inspect.signature(dataset).parameters if key not in ("split", "root")]
    hints = typing.get_type_hints(dataset.__init__, include_extras=True)
    checked = {}
    for key, value in options.items():
        if key not in accepted:
            close = difflib.get_close_matches(key, accepted, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise DataError(f"data set {name!r} has no option {key!r} (it has: {', '.join(accepted)}){hint}")
        try:
            checked[key] = convert(value, hints[key], f"data set {name!r}", key)
        except ConfigError as error:
            raise DataError(str(error)) from error
    return checked


def label_space(name: str, options: Mapping[str, Any]) -> LabelSpace:
    """Classes and colours of a data set with these options, without its files. Raises DataError."""
    return find_dataset(name).label_space(**checked_options(name, options))


def open_dataset(name: str, split: str, root: str | Path | None = None, **options: Any) -> Dataset:
    """Open one split of a data set.

    Args:
        name: a key of `DATASETS`.
        split: one of the data set's `splits`.
        root: the folder with the files; None for a data set that needs none.
        options: keyword arguments of the data set's constructor.

    Raises:
        DataError: unknown data set, split or option, an option of the wrong type or out of its range; files missing.
    """
    return find_dataset(name)(split, root, **checked_options(name, options))

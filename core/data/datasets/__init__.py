"""The registry of data sets. A new one: a file in this folder, a `Dataset` subclass, and one line in `DATASETS`."""

import difflib
import inspect
from pathlib import Path
from typing import Any

from core.data.datasets.base import IGNORE, Dataset, Sample
from core.data.datasets.camvid import CamVid
from core.data.datasets.cityscapes import Cityscapes
from core.data.datasets.roadscape import Roadscape
from core.errors import DataError

DATASETS: dict[str, type[Dataset]] = {dataset.name: dataset for dataset in (Roadscape, CamVid, Cityscapes)}

__all__ = ["DATASETS", "IGNORE", "Dataset", "Sample", "open_dataset"]


def open_dataset(name: str, split: str, root: str | Path | None = None, **options: Any) -> Dataset:
    """Open one split of a data set.

    Args:
        name: a key of `DATASETS`.
        split: one of the data set's `splits`.
        root: the folder with the files; None for a data set that needs none.
        options: keyword arguments of the data set's constructor.

    Raises:
        DataError: unknown data set, split or option; files missing.
    """
    if name not in DATASETS:
        nearest = difflib.get_close_matches(name, DATASETS, 1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise DataError(f"there is no data set {name!r} (there are: {', '.join(sorted(DATASETS))}){hint}")
    dataset = DATASETS[name]
    accepted = [key for key in inspect.signature(dataset).parameters if key not in ("split", "root")]
    for key in options:
        if key not in accepted:
            nearest = difflib.get_close_matches(key, accepted, 1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            raise DataError(f"data set {name!r} has no option {key!r} (it has: {', '.join(accepted)}){hint}")
    return dataset(split, root, **options)

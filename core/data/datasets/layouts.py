"""The two ways most data sets lay out their files: a folder for each split, or a list of names for each split."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from core.data.datasets.base import FileDataset, Pair
from core.data.datasets.listing import IMAGE_EXTENSIONS, choose, columns, read_lines
from core.errors import DataError, SplitMissing

Folders = Mapping[str, tuple[tuple[str, str | None], ...]]
Lists = Mapping[str, tuple[str, ...]]

LABEL_EXTENSIONS = (".png", ".mat", ".bmp", ".tif", ".tiff", ".pgm")


def below(folder: Path, end: str = "") -> dict[str, Path]:
    """The pictures below a folder whose names without extension end in `end`, by their path without either, in
    order."""
    found: dict[str, list[Path]] = {}
    for parent, _, files in os.walk(folder):  # ten times as fast as `rglob`
        relative = os.path.relpath(parent, folder).replace(os.sep, "/")
        before = "" if relative == "." else f"{relative}/"
        for file in files:
            stem, extension = os.path.splitext(file)
            if stem.endswith(end) and extension.lower() in IMAGE_EXTENSIONS and not file.startswith("._"):
                found.setdefault(before + stem.removesuffix(end), []).append(Path(parent, file))
    return {name: choose(sorted(found[name])) for name in sorted(found, key=lambda name: name.split("/"))}


def label_below(folder: Path | None, name: str, ends: Iterable[str] = ("",)) -> Path | None:
    """The label file called `name` (a path without extension) with one of `ends`, or None."""
    if folder is None:
        return None
    for end in ends:
        for extension in LABEL_EXTENSIONS:
            path = folder / f"{name}{end}{extension}"
            if path.is_file():
                return path
    return None


def names_in(path: Path) -> list[str]:
    """The names of a list without extensions of pictures; of two paths in a line the first. Names may hold blanks."""
    if not path.is_file():
        raise SplitMissing(f"{path}: there is no such list; the data set's layout is told in docs/data_sets.md")
    names = []
    for _, line in read_lines(path):
        name = next(first for first, second in columns(line) if second is None or _is_path(second))
        suffix = Path(name).suffix.lower()
        names.append(name[: -len(suffix)] if suffix in (".jpg", ".jpeg", ".png") else name)
    return names


def _is_path(text: str) -> bool:
    return text.startswith("/") or Path(text).suffix.lower() in LABEL_EXTENSIONS


class FolderDataset(FileDataset):
    """A folder of pictures and one of labels for each split; labels have the pictures' names, with other ends.

    `folders`: for each split its pairs of (pictures, labels) below the root; labels are None where there are none.
    `image_end`, `label_ends`: how the names without extension end. `labelled_parts`: splits of which pictures without a
    label are no part.
    """

    folders: ClassVar[Folders]
    image_end: ClassVar[str] = ""
    label_ends: ClassVar[tuple[str, ...]] = ("",)
    labelled_parts: ClassVar[frozenset[str]] = frozenset()

    def list_pairs(self) -> list[Pair]:
        pairs = []
        for images, labels in self.folders[self.split]:
            folder = self.root / images
            if not folder.is_dir():
                raise SplitMissing(
                    f"{folder}: there is no such folder; split {self.split!r} of {self.name!r} lies there"
                )
            for name, image in below(folder, self.image_end).items():
                label = label_below(None if labels is None else self.root / labels, name, self.label_ends)
                if label is not None or self.split not in self.labelled_parts:
                    pairs.append(Pair(name.replace("/", "_"), image, label))
        return pairs


class ListedDataset(FileDataset):
    """One folder of pictures and one of labels, and lists of names for the splits.

    `lists`: for each split its list files below the root, read one after the other. `image_folder`, `label_folders`:
    below the root; a label is taken from the first folder that has it.
    """

    lists: ClassVar[Lists]
    image_folder: ClassVar[str]
    label_folders: tuple[str, ...]
    label_ends: ClassVar[tuple[str, ...]] = ("",)

    def names(self) -> list[str]:
        """The split's names, in order."""
        return [name for file in self.lists[self.split] for name in names_in(self.root / file)]

    def list_pairs(self) -> list[Pair]:
        return [self.pair(name) for name in self.names()]

    def pair(self, name: str) -> Pair:
        """The files of one name. Raises DataError where there is no picture."""
        folder = self.root / self.image_folder
        for extension in (".jpg", ".png", ".jpeg", ".bmp", ".tif"):
            image = folder / f"{name}{extension}"
            if image.is_file():
                break
        else:
            raise DataError(f"{folder / name}.jpg: there is no such picture, which {self.name}/{self.split} lists")
        labels = None if self.split in self.unlabelled else self.label_folders
        found = [label_below(self.root / label, name, self.label_ends) for label in labels or ()]
        return Pair(name.replace("/", "_"), image, next(filter(None, found), None))

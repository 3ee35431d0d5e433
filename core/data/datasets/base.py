"""What a data set is: a named list of (picture, label map) with class names and colours."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from core.data.datasets.facts import Facts
from core.data.datasets.images import open_image, read_image, read_label, values_present
from core.data.decoding import Picture, Whole
from core.data.labels import IGNORE, OUT_OF_RANGE, LabelSpace, Numbering
from core.data.prepare.recipe import Step
from core.errors import DataError, SplitMissing

__all__ = [
    "IGNORE",
    "Dataset",
    "FileDataset",
    "LabelSpace",
    "Pair",
    "Sample",
    "check_same_size",
    "few_classes",
    "map_label",
]


@dataclass(frozen=True)
class Sample:
    """One picture with its labels."""

    image: np.ndarray  # uint8 [H, W, 3], RGB
    label: np.ndarray | None  # uint8 [H, W]: 0 … num_classes - 1 or 255; None where the set has no labels
    name: str  # unique within the split, fit for a file name


class Dataset(ABC):
    """A sequence of `Sample`s. Subclasses set the class attributes; instances are cheap to pickle.

    `space`: what the labels mean; of an instance, with its options. `reads_root`: whether `data.root` means anything
    to it. `facts`: what the table of data sets says of it; None keeps it out of there. `recipe`: how its published
    archives become the layout that is read here.
    """

    name: ClassVar[str]
    space: LabelSpace
    splits: tuple[str, ...]
    reads_root: ClassVar[bool] = False
    facts: ClassVar[Facts | None] = None
    recipe: ClassVar[tuple[Step, ...]] = ()
    ignore_index: ClassVar[int] = IGNORE

    def __init__(self, split: str, root: str | Path | None = None) -> None:
        if split not in self.splits:
            raise DataError(f"data set {self.name!r} has no split {split!r} (it has: {', '.join(self.splits)})")
        self.split = split

    @classmethod
    def label_space(cls, **options: Any) -> LabelSpace:
        """What the labels mean with these options of the constructor: what can be known without the files.

        A subclass whose options change its classes overrides this.
        """
        return cls.space

    @property
    def classes(self) -> tuple[str, ...]:
        return self.space.classes

    @property
    def palette(self) -> np.ndarray:
        """uint8 [C, 3], RGB."""
        return self.space.palette

    @property
    def num_classes(self) -> int:
        return self.space.num_classes

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Sample: ...

    def open_sample(self, index: int) -> tuple[Picture, np.ndarray | None]:
        """The sample's picture, perhaps not decoded yet, and its label."""
        sample = self[index]
        return Whole(sample.image), sample.label

    def label_of(self, index: int) -> np.ndarray | None:
        """The sample's label alone."""
        return self[index].label

    def image_of(self, index: int) -> np.ndarray:
        """The sample's picture alone, uint8 [H, W, 3]."""
        return self[index].image

    @abstractmethod
    def name_of(self, index: int) -> str:
        """The sample's name without reading it."""

    def location(self, index: int) -> str:
        """Where the sample comes from, for error messages: the file, or set, split and name of one that has none."""
        return f"{self.name}/{self.split}/{self.name_of(index)}"

    def _check_index(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.name}/{self.split} has {len(self)} samples; there is no number {index}")


@dataclass(frozen=True)
class Pair:
    """The files of one sample."""

    name: str
    image: Path
    label: Path | None


class FileDataset(Dataset):
    """A data set of files: a picture and a label map each. A subclass lists the pairs, and may say how labels are read.

    Args:
        split: one of `splits`.
        root: the data set's folder.
        require_labels: refuse to open a split in which a picture has no label file. Turn it off for prediction.

    Raises:
        DataError: the folder or a file is missing, or the split is empty.
    """

    reads_root = True
    unlabelled: ClassVar[frozenset[str]] = frozenset()  # splits whose labels are not public
    variants: ClassVar[tuple[dict[str, Any], ...]] = ({},)  # options that read other label files of the same layout

    def __init__(self, split: str, root: str | Path | None = None, *, require_labels: bool = True) -> None:
        super().__init__(split)
        if require_labels and split in self.unlabelled:
            raise DataError(f"the labels of {self.name}/{split} are not public: it serves for prediction only")
        if root is None:
            raise DataError(f"data set {self.name!r} is read from files: say where they are (data.root)")
        self.root = Path(root).expanduser()
        if not self.root.is_dir():
            raise DataError(f"{self.root}: there is no such folder (data.root of data set {self.name!r})")
        self.require_labels = require_labels
        self.pairs = self.list_pairs()
        if not self.pairs:
            raise SplitMissing(f"{self.root}: split {split!r} of data set {self.name!r} holds no pictures")
        if require_labels:
            self._check_labels_exist()

    @abstractmethod
    def list_pairs(self) -> list[Pair]:
        """The split's files in their official order. A picture without a label file has `label=None`."""

    def decode(self, path: Path) -> np.ndarray:
        """uint8 or uint16 [H, W]: a label file's numbers as stored; core.data.label_decoding has other kinds."""
        return read_label(path)

    def numbering(self, path: Path) -> Numbering:
        """How a label file numbers the classes; the space's usual numbering unless the file's name says otherwise."""
        return self.space.numbering()

    def label_table(self, path: Path) -> np.ndarray:
        """int16: the class of every stored value, 255 for ignored ones, -1 for values that must not occur."""
        return self.numbering(path).table

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        self._check_index(index)
        pair = self.pairs[index]
        label = self.label_of(index)
        if pair.label is None or label is None:
            return Sample(read_image(pair.image), None, pair.name)
        image = read_image(pair.image, like=(label.shape[0], label.shape[1]))
        check_same_size((image.shape[0], image.shape[1]), label, pair.image, pair.label)
        return Sample(image, label, pair.name)

    def open_sample(self, index: int) -> tuple[Picture, np.ndarray | None]:
        if type(self).__getitem__ is not FileDataset.__getitem__:  # it changes what it reads
            return super().open_sample(index)
        self._check_index(index)
        pair = self.pairs[index]
        label = self.label_of(index)
        picture = open_image(pair.image, None if label is None else (label.shape[0], label.shape[1]))
        if pair.label is not None and label is not None:
            check_same_size(picture.size, label, pair.image, pair.label)
        return picture, label

    def label_of(self, index: int) -> np.ndarray | None:
        path = self.pairs[index].label
        return None if path is None else map_label(self.decode(path), self.label_table(path), path)

    def name_of(self, index: int) -> str:
        return self.pairs[index].name

    def location(self, index: int) -> str:
        return str(self.pairs[index].image)

    def _check_labels_exist(self) -> None:
        lacking = [pair.image for pair in self.pairs if pair.label is None]
        if lacking:
            shown = ", ".join(str(path) for path in lacking[:5]) + (", …" if len(lacking) > 5 else "")
            raise DataError(
                f"{len(lacking)} of {len(self.pairs)} pictures of {self.name}/{self.split} "
                f"have no label file: {shown}. "
                f"Training and evaluation need labels; prediction does not."
            )


_UNKNOWN = np.uint8(254)  # where no class has this number, the mark of values that must not occur


def map_label(label: np.ndarray, table: np.ndarray, path: str | Path) -> np.ndarray:
    """Replace stored values by class numbers.

    Args:
        label: uint8 or uint16 [H, W] as stored.
        table: int16, as `Numbering.table` gives.
        path: the file, for the error.

    Returns:
        uint8 [H, W].

    Raises:
        DataError: values occur that the table does not know.
    """
    small = table.astype(np.uint8)
    if label.dtype == np.uint8 and len(table) == 256:
        mapped = cv2.LUT(label, np.where(table == OUT_OF_RANGE, _UNKNOWN, small))
        if not (mapped == _UNKNOWN).any():
            return mapped
    wrong = [int(value) for value in values_present(label) if value >= len(table) or table[value] == OUT_OF_RANGE]
    if wrong:
        shown = ", ".join(str(value) for value in wrong[:10]) + (", …" if len(wrong) > 10 else "")
        allowed = _ranges(np.flatnonzero(table != OUT_OF_RANGE).tolist())
        raise DataError(f"{path}: label values out of range: {shown}; allowed are {allowed}")
    return small[label]


def few_classes(counts: np.ndarray, dataset: Dataset, what: str) -> str | None:
    """A warning where labels say next to nothing: one class of several, or none, has pixels. None where all is well.

    Args:
        counts: [C], the labelled pixels of each class.
        dataset: whose classes they are.
        what: the label maps that were counted, in words.
    """
    present = np.flatnonzero(counts)
    where = f"{dataset.name}/{dataset.split}"
    if len(present) == 0:
        return f"{where}: every pixel of {what} is ignored (label {IGNORE})"
    if len(present) == 1 and dataset.num_classes > 1:
        number = int(present[0])
        return (
            f"{where}: only class {number} ({dataset.classes[number]}) is labelled in {what}: whatever always answers "
            f"it is never wrong. In a mask of 0 and {IGNORE}, {IGNORE} is ignored; if it means a class, store its "
            "number"
        )
    return None


def check_same_size(size: tuple[int, int], label: np.ndarray, image_path: str | Path, label_path: str | Path) -> None:
    """Raise DataError unless a picture of `size` and its label map have the same height and width."""
    if size != label.shape:
        height, width = size
        raise DataError(
            f"{label_path}: the label map is {label.shape[1]}x{label.shape[0]} pixels (width x height), "
            f"but its picture {image_path} is {width}x{height}"
        )


def _ranges(values: list[int]) -> str:
    """[0, 1, 2, 255] -> "0-2, 255"."""
    parts: list[list[int]] = []
    for value in values:
        if parts and value == parts[-1][1] + 1:
            parts[-1][1] = value
        else:
            parts.append([value, value])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)

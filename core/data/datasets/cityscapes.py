"""Cityscapes with fine annotations, in the official folder layout.

Cordts et al.: The Cityscapes Dataset for Semantic Urban Scene Understanding. CVPR 2016. 2975 training, 500 validation
and 1525 test frames of 1024x2048 with 19 evaluated classes. Class numbers and colours: the label table of
https://github.com/mcordts/cityscapesScripts (cityscapesscripts/helpers/labels.py).
"""

from pathlib import Path

import numpy as np

from core.data.datasets.base import IGNORE, FileDataset, Pair
from core.data.datasets.listing import choose, pictures_by_stem
from core.errors import DataError

# (label id, class, colour in RGB); the position in this list is the train id.
_TRAIN_IDS = (
    (7, "road", (128, 64, 128)),
    (8, "sidewalk", (244, 35, 232)),
    (11, "building", (70, 70, 70)),
    (12, "wall", (102, 102, 156)),
    (13, "fence", (190, 153, 153)),
    (17, "pole", (153, 153, 153)),
    (19, "traffic light", (250, 170, 30)),
    (20, "traffic sign", (220, 220, 0)),
    (21, "vegetation", (107, 142, 35)),
    (22, "terrain", (152, 251, 152)),
    (23, "sky", (70, 130, 180)),
    (24, "person", (220, 20, 60)),
    (25, "rider", (255, 0, 0)),
    (26, "car", (0, 0, 142)),
    (27, "truck", (0, 0, 70)),
    (28, "bus", (0, 60, 100)),
    (31, "train", (0, 80, 100)),
    (32, "motorcycle", (0, 0, 230)),
    (33, "bicycle", (119, 11, 32)),
)
_LARGEST_LABEL_ID = 33

_IMAGE_SUFFIX = "_leftImg8bit"


class Cityscapes(FileDataset):
    """Cityscapes, fine annotations, 19 classes; everything else is 255.

    `*_gtFine_labelTrainIds.png` is read where there is one, else `*_gtFine_labelIds.png` mapped by the official table.

    Args:
        split: train, val or test. The test labels are not public: open it with `require_labels=False`.
        root: the folder that holds `leftImg8bit` and `gtFine`.
        require_labels: refuse to open a split in which a picture has no label file.
        labelled_only: leave out the pictures that have no label file.
    """

    name = "cityscapes"
    classes = tuple(name for _, name, _ in _TRAIN_IDS)
    palette = np.array([color for _, _, color in _TRAIN_IDS], np.uint8)
    splits = ("train", "val", "test")

    def __init__(
        self,
        split: str,
        root: str | Path | None = None,
        *,
        require_labels: bool = True,
        labelled_only: bool = False,
    ) -> None:
        self.labelled_only = labelled_only
        if split == "test" and (require_labels or labelled_only):
            raise DataError("the labels of cityscapes/test are not public: it serves for prediction only")
        super().__init__(split, root, require_labels=require_labels)

    def list_pairs(self) -> list[Pair]:
        folder = self.root / "leftImg8bit" / self.split
        if not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder; data.root must hold leftImg8bit and gtFine")
        pairs = []
        for city in sorted(path for path in folder.iterdir() if path.is_dir()):
            for found in pictures_by_stem(city.glob(f"*{_IMAGE_SUFFIX}.*")).values():
                image = choose(found)
                name = image.stem.removesuffix(_IMAGE_SUFFIX)
                label = self._label_file(city.name, name)
                if label is not None or not self.labelled_only:
                    pairs.append(Pair(name, image, label))
        return pairs

    def label_table(self, path: Path) -> np.ndarray:
        if path.stem.endswith("_labelTrainIds"):
            return super().label_table(path)
        table = np.full(256, -1, np.int16)
        table[: _LARGEST_LABEL_ID + 1] = IGNORE  # the classes that are annotated but not evaluated
        for train_id, (label_id, _, _) in enumerate(_TRAIN_IDS):
            table[label_id] = train_id
        table[255] = IGNORE  # the licence plate's -1, as an unsigned byte
        return table

    def _label_file(self, city: str, name: str) -> Path | None:
        if self.split == "test":  # the published files are place-holders without content
            return None
        for kind in ("labelTrainIds", "labelIds"):
            path = self.root / "gtFine" / self.split / city / f"{name}_gtFine_{kind}.png"
            if path.is_file():
                return path
        return None

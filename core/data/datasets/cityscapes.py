"""Cityscapes with fine and coarse annotations, in the official folder layout.

Cordts et al.: The Cityscapes Dataset for Semantic Urban Scene Understanding. CVPR 2016. 2975 training, 500 validation
and 1525 test frames of 1024x2048 with 19 evaluated classes, and 19,998 frames that are annotated coarsely. Class
numbers and colours: the label table of https://github.com/mcordts/cityscapesScripts
(cityscapesscripts/helpers/labels.py).

`train+` and `train++` are GALD-Net's and Fast_Seg's mixes (their data/cityscapes/*.txt): the fine training frames and
the coarse ones; then the fine validation frames too, and without one coarse frame.
"""

from pathlib import Path
from typing import Literal

import numpy as np

from core.data.datasets.base import FileDataset, Pair
from core.data.datasets.facts import Facts
from core.data.datasets.images import read_label
from core.data.datasets.listing import choose, pictures_by_stem
from core.data.labels import IGNORE, LabelSpace, Numbering, palette_of, plain, read_rows
from core.data.prepare.recipe import Take
from core.errors import SplitMissing

_ROWS = read_rows("""
    7 804080 road
    8 f423e8 sidewalk
    11 464646 building
    12 66669c wall
    13 be9999 fence
    17 999999 pole
    19 faaa1e traffic light
    20 dcdc00 traffic sign
    21 6b8e23 vegetation
    22 98fb98 terrain
    23 4682b4 sky
    24 dc143c person
    25 ff0000 rider
    26 00008e car
    27 000046 truck
    28 003c64 bus
    31 005064 train
    32 0000e6 motorcycle
    33 770b20 bicycle
""")
VOID = (
    "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "parking",
    "rail track", "guard rail", "bridge", "tunnel", "polegroup", "caravan", "trailer", "license plate",
)  # fmt: skip
_USED = {row.stored[0] for row in _ROWS}
_IDS = Numbering(
    tuple(row.stored for row in _ROWS),
    frozenset({*range(34), IGNORE} - _USED),  # 255 is the licence plate's -1 as an unsigned byte
)

SPACE = LabelSpace(
    tuple(row.name for row in _ROWS),
    palette_of(_ROWS),
    {"labelIds": _IDS, "labelTrainIds": plain(len(_ROWS))},
    VOID,
)
"""The 19 evaluated classes, by train id."""

_IMAGE_SUFFIX = "_leftImg8bit"


_COARSE_ONLY = "train_extra"
_PARTS = {
    "train": ("train",),
    "val": ("val",),
    "test": ("test",),
    "trainval": ("train", "val"),
    "train_extra": ("train_extra",),
    "train+": ("train", "train_extra"),
    "train++": ("train", "train_extra", "val"),
}
_LEFT_OUT = {"train++": {"troisdorf_000000_000073"}}

_NAME = r"([^/]+)/([^/]+)"


class Cityscapes(FileDataset):
    """Cityscapes, 19 classes; everything else is 255.

    `*_gtFine_labelTrainIds.png` is read where there is one, else `*_gtFine_labelIds.png` mapped by the official table,
    else `*_gtFine_instanceIds.png`.

    Args:
        split: the test labels are not public: open it with `require_labels=False`.
        root: the folder that holds `leftImg8bit` and `gtFine` (or `gtCoarse`).
        require_labels: refuse to open a split in which a picture has no label file.
        labelled_only: leave out the pictures that have no label file.
        annotations: those of the frames that have both; `train_extra` is coarse in any case.
    """

    name = "cityscapes"
    space = SPACE
    splits = tuple(_PARTS)
    unlabelled = frozenset({"test"})
    facts = Facts(
        title="Cityscapes",
        source="Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016",
        counts={
            "train": 2975,
            "val": 500,
            "test": 1525,
            "trainval": 3475,
            "train_extra": 19998,
            "train+": 22973,
            "train++": 23472,
        },
        layout=(
            "leftImg8bit/{train,val,test,train_extra}/CITY/NAME_leftImg8bit.png",
            "gtFine/{train,val}/CITY/NAME_gtFine_labelIds.png (or labelTrainIds)",
            "gtCoarse/{train,val,train_extra}/CITY/NAME_gtCoarse_labelIds.png",
        ),
        pictures="2048x1024",
        crop=(768, 768),
        base=2048,
        licence="Cityscapes' own: research and teaching, no redistribution",
        obtained="https://www.cityscapes-dataset.com",
        archives=(
            "leftImg8bit_trainvaltest.zip",
            "gtFine_trainvaltest.zip",
            "leftImg8bit_trainextra.zip",
            "gtCoarse.zip",
        ),
    )
    recipe = (
        Take(
            rf"leftImg8bit/(train|val|test|train_extra)/{_NAME}_leftImg8bit\.png",
            r"leftImg8bit/\1/\2/\3_leftImg8bit.png",
        ),
        Take(rf"gtFine/(train|val)/{_NAME}_gtFine_(labelIds|labelTrainIds)\.png", r"gtFine/\1/\2/\3_gtFine_\4.png"),
        Take(
            rf"gtCoarse/(train|val|train_extra)/{_NAME}_gtCoarse_(labelIds|labelTrainIds)\.png",
            r"gtCoarse/\1/\2/\3_gtCoarse_\4.png",
        ),
    )
    variants = ({}, {"annotations": "coarse"})

    def __init__(
        self,
        split: str,
        root: str | Path | None = None,
        *,
        require_labels: bool = True,
        labelled_only: bool = False,
        annotations: Literal["fine", "coarse"] = "fine",
    ) -> None:
        self.labelled_only = labelled_only
        self.annotations = annotations
        super().__init__(split, root, require_labels=require_labels or (split == "test" and labelled_only))

    def list_pairs(self) -> list[Pair]:
        left_out = _LEFT_OUT.get(self.split, set())
        return [pair for part in _PARTS[self.split] for pair in self._list_part(part) if pair.name not in left_out]

    def decode(self, path: Path) -> np.ndarray:
        stored = read_label(path, deep=path.stem.endswith("_instanceIds"))
        if stored.dtype == np.uint8:
            return stored
        return np.where(stored < 1000, stored, stored // 1000)  # a group is its label id, an instance 1000 times it + n

    def numbering(self, path: Path) -> Numbering:
        return self.space.numbering("labelTrainIds" if path.stem.endswith("_labelTrainIds") else "labelIds")

    def _list_part(self, part: str) -> list[Pair]:
        folder = self.root / "leftImg8bit" / part
        if not folder.is_dir():
            raise SplitMissing(f"{folder}: there is no such folder; data.root must hold leftImg8bit and gtFine")
        pairs = []
        for city in sorted(path for path in folder.iterdir() if path.is_dir()):
            for found in pictures_by_stem(city.glob(f"*{_IMAGE_SUFFIX}.*")).values():
                image = choose(found)
                name = image.stem.removesuffix(_IMAGE_SUFFIX)
                label = self._label_file(part, city.name, name)
                if label is not None or not self.labelled_only:
                    pairs.append(Pair(name, image, label))
        return pairs

    def _label_file(self, part: str, city: str, name: str) -> Path | None:
        if part == "test":  # the published files are place-holders without content
            return None
        kind = "gtCoarse" if part == _COARSE_ONLY or self.annotations == "coarse" else "gtFine"
        for numbers in ("labelTrainIds", "labelIds", "instanceIds"):
            path = self.root / kind / part / city / f"{name}_{kind}_{numbers}.png"
            if path.is_file():
                return path
        return None

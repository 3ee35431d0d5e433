"""Multi-Human Parsing v1: people in 18 parts and clothes.

Li et al.: Multiple-Human Parsing in the Wild. 2017. A label map for each person, `NUMBER_COUNT_PERSON.png`; they are
laid over one another, the first on top, as GluonCV does. 0 is background and is ignored, as in GluonCV and MXNetSeg,
which numbers the classes so. Colours: VOC's palette, as none is published.
"""

from pathlib import Path
from typing import ClassVar

import numpy as np

from core.data.datasets.base import Pair
from core.data.datasets.facts import Facts
from core.data.datasets.layouts import ListedDataset, Lists, names_in
from core.data.label_decoding import overlaid
from core.data.labels import LabelSpace, counted_from, voc_palette
from core.data.prepare.recipe import Take

CLASSES = (
    "hat", "hair", "sunglasses", "upper clothes", "skirt", "pants", "dress", "belt", "left shoe", "right shoe", "face",
    "left leg", "right leg", "left arm", "right arm", "bag", "scarf", "torso skin",
)  # fmt: skip

SPACE = LabelSpace(CLASSES, voc_palette(19)[1:], {"stored": counted_from(1, 18)}, void=("background",))

_TRAINING = 3000


class MHP(ListedDataset):
    """MHP v1. The first 3,000 of `train_list.txt` are for training, the rest for validation."""

    name = "mhp"
    space = SPACE
    splits = ("train", "val", "test")
    image_folder = "images"
    label_folders = ("annotations",)
    lists: ClassVar[Lists] = {"train": ("train_list.txt",), "val": ("train_list.txt",), "test": ("test_list.txt",)}
    facts = Facts(
        title="MHP v1",
        source="Li et al., Multiple-Human Parsing in the Wild, arXiv 1705.07206",
        counts={"train": 3000, "val": 1000, "test": 980},
        layout=("images/NUMBER.jpg", "annotations/NUMBER_COUNT_PERSON.png", "{train,test}_list.txt"),
        pictures="of many sizes",
        crop=(480, 480),
        base=768,
        licence="not for commercial use",
        obtained="https://lv-mhp.github.io/dataset",
        archives=("LV-MHP-v1.zip",),
    )
    recipe = (
        Take(r"images/([^/]+\.jpg)", r"images/\1"),
        Take(r"annotations/([^/]+\.png)", r"annotations/\1"),
        Take(r"((?:train|test)_list\.txt)", r"\1"),
    )

    def names(self) -> list[str]:
        if self.split == "test":
            return super().names()
        listed = names_in(self.root / "train_list.txt")
        return listed[:_TRAINING] if self.split == "train" else listed[_TRAINING:]

    def list_pairs(self) -> list[Pair]:
        self._persons: dict[str, list[Path]] = {}
        for path in sorted((self.root / "annotations").glob("*.png")):
            self._persons.setdefault(_picture(path), []).append(path)
        pairs = super().list_pairs()
        return [Pair(pair.name, pair.image, self._persons.get(pair.name, [None])[0]) for pair in pairs]

    def decode(self, path: Path) -> np.ndarray:
        return overlaid(self._persons[_picture(path)])


def _picture(label: Path) -> str:
    """The name of the picture that a person's label map belongs to."""
    return label.stem.partition("_")[0]

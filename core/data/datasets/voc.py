"""PASCAL VOC 2012, with the Semantic Boundaries Dataset's further labels of the same pictures, and that set by itself.

Everingham et al.: The PASCAL Visual Object Classes Challenge: A Retrospective. IJCV 2015. Hariharan et al.: Semantic
Contours from Inverse Detectors. ICCV 2011. Class numbers and colours: VOC's development kit.

`train_aug` is what is trained on with figures of VOC: the pictures of VOC's `train` and those that SBD labels and
that are not in VOC's `val`, 10,582 in all; labels are VOC's own where it has them. (1,464 and 1,449 of VOC, 8,498 and
2,857 of SBD.)
"""

from pathlib import Path
from typing import ClassVar

import numpy as np

from core.data.datasets.facts import Facts
from core.data.datasets.layouts import ListedDataset, Lists, names_in
from core.data.label_decoding import read_matlab, read_numbers_or_colors
from core.data.labels import IGNORE, LabelSpace, plain, voc_palette
from core.data.prepare.convert import mat_to_png
from core.data.prepare.recipe import Take

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

SPACE = LabelSpace(CLASSES, voc_palette(21), {"voc": plain(21)}, void=("border, difficult",))

_LISTS = "ImageSets/Segmentation"
_VALUES = (*range(21), IGNORE)
_COLORS = tuple((int(r), int(g), int(b)) for r, g, b in voc_palette(256)[list(_VALUES)])


def read_voc(path: Path) -> np.ndarray:
    """A label map: a palette PNG, one in the palette's colours, or SBD's .mat."""
    if path.suffix == ".mat":
        return read_matlab(path, "GTcls", "Segmentation")
    return read_numbers_or_colors(path, _COLORS, _VALUES)


class VOC(ListedDataset):
    """VOC 2012's segmentation; label maps are palette PNGs, 255 is the border around each object."""

    name = "voc"
    space = SPACE
    splits = ("train", "val", "trainval", "train_aug", "trainval_aug", "test")
    unlabelled = frozenset({"test"})
    image_folder = "JPEGImages"
    label_folders = ("SegmentationClass", "SegmentationClassAug", "SBD/cls")
    lists: ClassVar[Lists] = {split: (f"{_LISTS}/{split}.txt",) for split in ("train", "val", "trainval", "test")}
    facts = Facts(
        title="VOC 2012",
        source="Everingham et al., IJCV 2015; Hariharan et al., ICCV 2011",
        counts={"train": 1464, "val": 1449, "trainval": 2913, "train_aug": 10582, "trainval_aug": 12031, "test": 1456},
        layout=(
            "JPEGImages/NAME.jpg",
            "SegmentationClass/NAME.png",
            "ImageSets/Segmentation/{train,val,trainval,test}.txt",
            "SBD/{train,val}.txt and SBD/cls/NAME.png (or .mat), or SegmentationClassAug/NAME.png, for *_aug",
        ),
        pictures="about 500x375",
        crop=(480, 480),
        base=520,
        licence="pictures from Flickr under its terms; for research",
        obtained="http://host.robots.ox.ac.uk/pascal/VOC/voc2012",
        archives=("VOCtrainval_11-May-2012.tar", "VOC2012test.tar", "SBD: benchmark.tgz"),
    )
    recipe = (
        Take(r"VOC2012/JPEGImages/([^/]+\.jpg)", r"JPEGImages/\1"),
        Take(r"VOC2012/SegmentationClass/([^/]+\.png)", r"SegmentationClass/\1"),
        Take(r"VOC2012/ImageSets/Segmentation/([a-z]+\.txt)", rf"{_LISTS}/\1"),
        Take(r"SegmentationClassAug/([^/]+\.png)", r"SegmentationClassAug/\1"),
        Take(r"dataset/cls/([^/]+)\.mat", r"SBD/cls/\1.png", mat_to_png("GTcls", "Segmentation")),
        Take(r"dataset/(train|val)\.txt", r"SBD/\1.txt"),
    )

    def names(self) -> list[str]:
        if not self.split.endswith("_aug"):
            return super().names()
        own = {part: names_in(self.root / _LISTS / f"{part}.txt") for part in ("train", "val")}
        ready = self.root / _LISTS / f"{self.split}.txt"
        if ready.is_file():
            return names_in(ready)
        further = [name for part in ("train", "val") for name in names_in(self.root / "SBD" / f"{part}.txt")]
        first = own["train"] + (own["val"] if self.split == "trainval_aug" else [])
        known = {*own["train"], *own["val"]}
        return first + sorted(set(further) - known)

    def decode(self, path: Path) -> np.ndarray:
        return read_voc(path)


class SBD(ListedDataset):
    """The Semantic Boundaries Dataset with its own splits: 11,355 pictures of VOC 2011 in VOC's classes."""

    name = "sbd"
    space = SPACE
    splits = ("train", "val", "trainval")
    image_folder = "img"
    label_folders = ("cls",)
    lists: ClassVar[Lists] = {"train": ("train.txt",), "val": ("val.txt",), "trainval": ("train.txt", "val.txt")}
    facts = Facts(
        title="SBD",
        source="Hariharan et al., Semantic Contours from Inverse Detectors, ICCV 2011",
        counts={"train": 8498, "val": 2857, "trainval": 11355},
        layout=("img/NAME.jpg", "cls/NAME.png (or .mat)", "{train,val}.txt"),
        pictures="about 500x375",
        crop=(480, 480),
        base=520,
        licence="pictures from Flickr under its terms; for research",
        obtained="https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours",
        archives=("benchmark.tgz",),
    )
    recipe = (
        Take(r"dataset/img/([^/]+\.jpg)", r"img/\1"),
        Take(r"dataset/cls/([^/]+)\.mat", r"cls/\1.png", mat_to_png("GTcls", "Segmentation")),
        Take(r"dataset/(train|val)\.txt", r"\1.txt"),
    )

    def decode(self, path: Path) -> np.ndarray:
        return read_voc(path)

"""SUN RGB-D in 37 classes; no depth.

Song, Lichtenberg, Xiao: SUN RGB-D: A RGB-D Scene Understanding Benchmark Suite. CVPR 2015. The official labels are
one MATLAB file that takes 64 GB of memory, so that what is read here is its extract at
github.com/ankurhanda/sunrgbd-meta-data: label maps 1 … 5050 are those of the test pictures, 5051 … 10335 of the
training pictures; 0 is unlabelled. The names of the pictures within the two archives could not be verified; they are
paired by order, as that repository's users do. Colours: VOC's palette, as none is published.
"""

from typing import ClassVar

from core.data.datasets.base import Pair
from core.data.datasets.facts import Facts
from core.data.datasets.layouts import FolderDataset, Folders, below
from core.data.labels import LabelSpace, counted_from, voc_palette
from core.data.prepare.recipe import Take
from core.errors import DataError, SplitMissing

CLASSES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter",
    "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books",
    "fridge", "tv", "paper", "towel", "shower curtain", "box", "whiteboard", "person", "night stand", "toilet", "sink",
    "lamp", "bathtub", "bag",
)  # fmt: skip

SPACE = LabelSpace(CLASSES, voc_palette(38)[1:], {"37": counted_from(1, 37)}, void=("unlabelled",))


class SUNRGBD(FolderDataset):
    """SUN RGB-D's pictures and labels of 37 classes."""

    name = "sunrgbd"
    space = SPACE
    splits = ("train", "test")
    folders: ClassVar[Folders] = {split: ((f"images/{split}", f"labels/{split}"),) for split in ("train", "test")}
    facts = Facts(
        title="SUN RGB-D",
        source="Song et al., SUN RGB-D, CVPR 2015",
        counts={"train": 5285, "test": 5050},
        layout=("images/{train,test}/NAME.jpg", "labels/{train,test}/NAME.png: as many, in the same order"),
        pictures="of several sizes, about 730x530",
        crop=(480, 480),
        base=520,
        licence="not known here",
        obtained="https://github.com/ankurhanda/sunrgbd-meta-data",
        archives=("SUNRGBD-train_images.tgz", "SUNRGBD-test_images.tgz", "sunrgbd_train_test_labels.tar.gz"),
    )
    recipe = (
        Take(r"(img-\d+\.jpg)", r"images/train/\1", archive=r"train"),
        Take(r"(img-\d+\.jpg)", r"images/test/\1", archive=r"test"),
        Take(r"(img-00(?:[0-4]\d\d\d|50[0-4]\d|5050)\.png)", r"labels/test/\1"),
        Take(r"(img-\d{6}\.png)", r"labels/train/\1"),
    )

    def list_pairs(self) -> list[Pair]:
        ((images, labels),) = self.folders[self.split]
        if not (self.root / images).is_dir():
            raise SplitMissing(f"{self.root / images}: there is no such folder; data.root must hold images and labels")
        pictures = below(self.root / images)
        assert labels is not None
        maps = list(below(self.root / labels).values())
        if len(maps) != len(pictures):
            if self.require_labels:
                raise DataError(
                    f"{self.root}: {len(pictures)} pictures in {images} and {len(maps)} label maps in {labels}; they "
                    "are paired by order, so that there must be as many"
                )
            return [Pair(name.replace("/", "_"), image, None) for name, image in pictures.items()]
        return [Pair(name.replace("/", "_"), image, label) for (name, image), label in zip(pictures.items(), maps)]

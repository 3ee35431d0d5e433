"""SUN RGB-D in 37 classes; no depth.

Song, Lichtenberg, Xiao: SUN RGB-D: A RGB-D Scene Understanding Benchmark Suite. CVPR 2015. The official labels are
one MATLAB file that takes 64 GB of memory, so that what is read here is its extract at
github.com/ankurhanda/sunrgbd-meta-data: pictures are numbered from 1 in each of two archives, label maps 1 … 5050 are
those of the test pictures, 5051 … 10335 of the training pictures; 0 is unlabelled. Colours: VOC's palette, as none is
published.
"""

from typing import ClassVar

from core.data.datasets.base import Pair
from core.data.datasets.facts import Facts
from core.data.datasets.layouts import FolderDataset, Folders, label_below
from core.data.labels import LabelSpace, counted_from, voc_palette
from core.data.prepare.recipe import Take

CLASSES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter",
    "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books",
    "fridge", "tv", "paper", "towel", "shower curtain", "box", "whiteboard", "person", "night stand", "toilet", "sink",
    "lamp", "bathtub", "bag",
)  # fmt: skip

_TEST = 5050  # pictures, whose label maps come first

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
        layout=("images/{train,test}/NAME.jpg", "labels/{train,test}/NAME.png; of training picture N, N or N + 5050"),
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
        pairs = super().list_pairs()
        folder = self.root / "labels/train"
        # Label maps that begin below 5051 have been given the pictures' own numbers.
        if self.split == "test" or any(folder.glob("img-00[0-4]*.*")):
            return pairs
        return [Pair(pair.name, pair.image, label_below(folder, _of_training_picture(pair.name))) for pair in pairs]


def _of_training_picture(name: str) -> str:
    """The name of the label map of training picture "img-N": "img-(N + 5050)"."""
    number = name.removeprefix("img-")
    return f"img-{int(number) + _TEST:06d}" if number.isdecimal() else name

"""NYU Depth v2, its 1,449 labelled pictures, in 40 classes or 13; no depth.

Silberman et al.: Indoor Segmentation and Support Inference from RGBD Images. ECCV 2012. The 894 labels are folded to
40 by Gupta et al., CVPR 2013 (`classMapping40.mat`: mapClass), these to 13 by Couprie et al. (`class13Mapping.mat`),
and split by `splits.mat`; all three from github.com/ankurhanda/nyuv2-meta-data. Colours: VOC's palette, as none is
published.
"""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from core.data.datasets.facts import Facts
from core.data.datasets.layouts import ListedDataset, Lists
from core.data.label_decoding import read_deep
from core.data.labels import IGNORE, LabelSpace, Numbering, counted_from, voc_palette
from core.data.prepare.nyuv2 import labelled_pictures
from core.data.prepare.recipe import Expand

CLASSES_40 = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter",
    "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books",
    "refridgerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard", "person", "night stand",
    "toilet", "sink", "lamp", "bathtub", "bag", "otherstructure", "otherfurniture", "otherprop",
)  # fmt: skip
CLASSES_13 = (
    "bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture", "sofa", "table", "tv",
    "wall", "window",
)  # fmt: skip

# The class, from 1, among the 40 of each of the 894 labels, and among the 13 of each of the 40.
_894_TO_40 = (
    40, 40, 3, 22, 5, 40, 12, 38, 40, 40, 2, 39, 40, 40, 26, 40, 24, 40, 7, 40, 1, 40, 40, 34, 38, 29, 40, 8, 40,
    40, 40, 40, 38, 40, 40, 14, 40, 38, 40, 40, 40, 15, 39, 40, 30, 40, 40, 39, 40, 39, 38, 40, 38, 40, 37, 40,
    38, 38, 9, 40, 40, 38, 40, 11, 38, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 38, 13, 40, 40, 6, 40,
    23, 40, 39, 10, 16, 40, 40, 40, 40, 38, 40, 40, 40, 40, 40, 40, 40, 40, 40, 38, 40, 39, 40, 40, 40, 40, 39,
    38, 40, 40, 40, 40, 40, 40, 18, 40, 40, 19, 28, 33, 40, 40, 40, 40, 40, 40, 40, 40, 40, 38, 27, 36, 40, 40,
    40, 40, 21, 40, 20, 35, 40, 40, 40, 40, 40, 40, 40, 40, 38, 40, 40, 40, 4, 32, 40, 40, 39, 40, 39, 40, 40, 40,
    40, 40, 17, 40, 40, 25, 40, 39, 40, 40, 40, 40, 40, 40, 40, 40, 39, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40,
    40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 39, 40, 40, 40, 40, 40, 40, 40, 40, 40, 39, 38, 38, 40, 40, 39, 40,
    39, 40, 38, 39, 38, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 39, 40, 38, 40, 40, 38, 38, 40, 40, 40, 40, 40,
    40, 40, 40, 40, 40, 40, 40, 40, 38, 40, 40, 40, 40, 40, 39, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40,
    40, 40, 40, 39, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 39, 40, 40, 40, 38, 40, 40, 39, 40, 40, 38,
    40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 39, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40,
    40, 40, 31, 40, 40, 40, 40, 40, 40, 40, 38, 40, 40, 38, 39, 39, 40, 40, 40, 40, 40, 40, 40, 40, 40, 38, 40,
    39, 40, 40, 39, 40, 40, 40, 38, 40, 40, 40, 40, 40, 40, 40, 40, 38, 39, 40, 40, 40, 40, 40, 40, 38, 40, 40,
    40, 40, 40, 40, 40, 40, 40, 40, 40, 38, 39, 40, 40, 40, 40, 40, 40, 40, 39, 40, 40, 40, 40, 40, 40, 38, 40,
    40, 40, 38, 40, 39, 40, 40, 40, 39, 39, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 39, 40, 40, 40, 40, 40, 40,
    40, 40, 40, 40, 40, 40, 39, 39, 40, 40, 39, 39, 40, 40, 40, 40, 38, 40, 40, 38, 39, 39, 40, 39, 40, 39, 38,
    40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 39, 40, 38, 40, 39, 40, 40, 40, 40, 40, 39, 39, 40, 40, 40, 40,
    40, 40, 39, 39, 40, 40, 38, 39, 39, 40, 40, 40, 40, 40, 40, 40, 40, 40, 39, 39, 40, 40, 40, 40, 39, 40, 40,
    40, 40, 40, 39, 40, 40, 39, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 39, 38, 40, 40, 40,
    40, 40, 40, 40, 39, 38, 39, 40, 38, 39, 40, 39, 40, 39, 40, 40, 40, 40, 40, 40, 40, 40, 38, 40, 40, 40, 40,
    40, 38, 40, 40, 39, 40, 40, 40, 39, 40, 38, 40, 40, 40, 40, 40, 40, 40, 40, 38, 40, 40, 40, 40, 40, 40, 40,
    40, 40, 40, 40, 40, 40, 40, 40, 40, 39, 38, 40, 40, 38, 40, 40, 38, 40, 40, 40, 40, 40, 40, 40, 40, 40, 39,
    40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 38, 40, 40, 38, 40, 40, 40, 40, 40, 40, 40,
    40, 40, 40, 40, 38, 38, 38, 40, 40, 40, 38, 40, 40, 40, 38, 38, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40,
    40, 40, 40, 40, 40, 40, 38, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 38, 40, 38, 39, 40, 40, 40,
    40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40,
    39, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40,
    40, 40, 40, 40, 40, 40, 40, 40, 40, 39, 40, 39, 40, 40, 40, 40, 38, 38, 40, 40, 40, 38, 40, 40, 40, 40, 40,
    40, 40, 40, 40, 40, 40, 40, 40, 40, 39, 40, 40, 39, 40, 40, 39, 39, 40, 40, 40, 40, 40, 40, 40, 40, 39, 39,
    39, 40, 40, 40, 40, 39, 40, 40, 40, 40, 40, 40, 40, 40, 39, 40, 40, 40, 40, 40, 39, 40, 40, 40, 40, 40, 40,
    40, 40, 40, 40, 40, 40, 40, 40, 38, 40, 40, 40, 40, 40, 40, 40, 39, 40, 40, 38, 40, 39, 40, 40, 40, 40, 38,
    40, 40, 40, 40, 40, 38, 40, 40, 40, 40, 40, 40, 40, 39, 40, 40, 40, 40, 40, 40, 40, 40, 40, 39, 40, 40,
)  # fmt: skip
_40_TO_13 = (
    12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7, 5, 7, 3, 2, 6, 11, 7, 7, 7, 7, 7, 7, 6, 7,
    7, 7, 7, 7, 7, 6, 7,
)  # fmt: skip

# Bit i: picture i + 1 of 1,449 is in the test split.
_TEST = int(
    "1ff01e0f03fc1fe7f8001980f1c0fcf00060fe77ff0fc01ffe3c0073e0f8fff0f80fce67e3fff80c7fc701efeff8ffc00031"
    "9806380700e0f07c001fe73c0070078e0700e00000000703f0e3fff00703e0f8007ffffffc000c03cf831fe0733e1f9f8c38"
    "6183f001f187c03c07c07fffc70071c3ffdf80000001ff3e000ff07e0003c001c3f80000ffcc0007ff01ce03f801fc1c0800"
    "2000000380fc3fffff8fdc00700013df070000007f878007d8067fff813e103",
    16,
)
TEST = tuple(i for i in range(1449) if _TEST >> i & 1)


def _stored(count: int, classes: tuple[int, ...]) -> Numbering:
    labels = tuple(tuple(i + 1 for i, of in enumerate(classes) if of == wanted) for wanted in range(1, count + 1))
    return Numbering(labels, frozenset({0}))


_894_TO_13 = tuple(_40_TO_13[of - 1] for of in _894_TO_40)
SPACES = {
    40: LabelSpace(
        CLASSES_40,
        voc_palette(41)[1:],
        {"894": _stored(40, _894_TO_40), "40": counted_from(1, 40)},
        void=("unlabelled",),
    ),
    13: LabelSpace(
        CLASSES_13,
        voc_palette(14)[1:],
        {
            "894": _stored(13, _894_TO_13),
            "40": Numbering(_stored(13, _40_TO_13).stored, frozenset({0, IGNORE})),
            "13": counted_from(1, 13),
        },
        void=("unlabelled",),
    ),
}
Classes = Literal[40, 13]


class NYUv2(ListedDataset):
    """NYU Depth v2's labelled pictures.

    `labels` holds the 894 labels as they are published, `labels40` and `labels13` label maps folded elsewhere (0 is
    unlabelled); the first that there is is read.

    Args:
        classes: 40 or 13.
    """

    name = "nyuv2"
    space = SPACES[40]
    splits = ("train", "test")
    image_folder = "images"
    label_folders: tuple[str, ...] = ("labels", "labels40", "labels13")
    lists: ClassVar[Lists] = {split: (f"{split}.txt",) for split in ("train", "test")}
    facts = Facts(
        title="NYUv2",
        source="Silberman et al., Indoor Segmentation and Support Inference from RGBD Images, ECCV 2012",
        counts={"train": 795, "test": 654},
        layout=("images/NNNN.png", "labels/NNNN.png (0 … 894), labels40 or labels13", "{train,test}.txt"),
        pictures="640x480",
        crop=(480, 480),
        base=520,
        licence="not known here",
        obtained="https://cs.nyu.edu/~fergus/datasets/nyu_depth_v2.html",
        archives=("nyu_depth_v2_labeled.mat",),
    )
    recipe = (Expand(r"nyu_depth_v2_labeled\.mat", labelled_pictures(TEST)),)

    def __init__(
        self, split: str, root: str | Path | None = None, *, require_labels: bool = True, classes: Classes = 40
    ) -> None:
        self.space = SPACES[classes]
        if classes == 40:
            self.label_folders = ("labels", "labels40")
        super().__init__(split, root, require_labels=require_labels)

    @classmethod
    def label_space(cls, *, classes: Classes = 40, **options: Any) -> LabelSpace:
        return SPACES[classes]

    def decode(self, path: Path) -> np.ndarray:
        return read_deep(path)

    def numbering(self, path: Path) -> Numbering:
        return self.space.numbering({"labels40": "40", "labels13": "13"}.get(path.parent.name, "894"))

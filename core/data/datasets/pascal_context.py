"""PASCAL Context: the pictures of VOC 2010 labelled whole, 459 categories folded to the usual 59 (or 60).

Mottaghi et al.: The Role of Context for Object Detection and Semantic Segmentation in the Wild. CVPR 2014. The
numbers of the 59 among the 459 and their alphabetical order are those of the Detail API's conversions
(PyTorch-Encoding, MXNetSeg, MMSegmentation), and agree with the list of 459 names at
github.com/shelhamer/fcn.berkeleyvision.org. That the published .mat files count so too is checked against the
archive's labels.txt where it is there.
"""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from core.data.datasets.facts import Facts
from core.data.datasets.layouts import ListedDataset, Lists, names_in
from core.data.label_decoding import read_deep, read_matlab
from core.data.labels import IGNORE, LabelSpace, Numbering, counted_from, palette_of, plain, read_rows
from core.data.prepare.convert import listed_numbers, mat_to_png
from core.data.prepare.recipe import Take

# The category's number among the 459, the colour (MMSegmentation's), the name.
_ROWS = read_rows("""
    2 b47878 aeroplane
    9 06e6e6 bag
    18 503232 bed
    19 04c803 bedclothes
    22 787850 bench
    23 8c8c8c bicycle
    25 cc05ff bird
    31 e6e6e6 boat
    33 04fa07 book
    34 e005ff bottle
    44 ebff07 building
    45 96053d bus
    46 787846 cabinet
    59 08ff33 car
    65 ff0652 cat
    68 8fff8c ceiling
    72 ccff04 chair
    80 ff3307 cloth
    85 cc4603 computer
    98 0066c8 cow
    104 3de6fa cup
    105 ff0633 curtain
    113 0b66ff dog
    115 ff0747 door
    144 ff09e0 fence
    158 0907e6 floor
    159 dcdcdc flower
    162 ff095c food
    187 7009ff grass
    189 08ffd6 ground
    207 07ffe0 horse
    220 ffb806 keyboard
    232 0aff47 light
    258 ff290a motorbike
    259 07ffff mountain
    260 e0ff08 mouse
    284 6608ff person
    295 ff3d06 plate
    296 ffc207 platform
    308 ff7a08 pottedplant
    324 00ff14 road
    326 ff0829 rock
    347 ff0599 sheep
    349 0633ff shelves
    354 eb0cff sidewalk
    355 a09614 sign
    360 00a3ff sky
    366 8c8c8c snow
    368 fa0a0f sofa
    397 14ff00 table
    415 1fff00 track
    416 ff1f00 train
    420 ffe000 tree
    424 99ff00 truck
    427 0000ff tvmonitor
    440 ff4700 wall
    445 00ebff water
    454 00adff window
    458 1f00ff wood
""")
_CATEGORIES = {row.name: row.stored[0] for row in _ROWS}
_NAMES = tuple(_CATEGORIES)
_OTHER = frozenset({*range(460), IGNORE} - {*_CATEGORIES.values()})
_BACKGROUND = np.array([(120, 120, 120)], np.uint8)

SPACES = {
    59: LabelSpace(
        _NAMES,
        palette_of(_ROWS),
        {"459": Numbering(tuple(row.stored for row in _ROWS), _OTHER), "59": counted_from(1, 59)},
        void=("background: 400 other categories",),
    ),
    60: LabelSpace(
        ("background", *_NAMES),
        np.concatenate([_BACKGROUND, palette_of(_ROWS)]),
        {
            "459": Numbering((tuple(sorted(_OTHER - {IGNORE})), *(row.stored for row in _ROWS))),
            "59": plain(60),
        },
    ),
}
Classes = Literal[59, 60]

# This project's, SemSegPaddle's, MMSegmentation's and VOC 2010's own.
_LIST_FOLDERS = ("", "ImageSets", "ImageSets/SegmentationContext", "ImageSets/Main")


class PascalContext(ListedDataset):
    """PASCAL Context.

    Label maps of the 459 categories (`labels`, PNG of 16 bits, or the published .mat) are folded; those of 0 … 59 as
    other repositories make them (0 is background, then alphabetical) are read from `SegmentationClassContext`,
    `Labels_59` or `GroundTruth_trainval_png`.

    Args:
        classes: 59, with the background ignored, or 60, with it as class 0.
    """

    name = "pascal_context"
    space = SPACES[59]
    splits = ("train", "val", "trainval")
    image_folder = "JPEGImages"
    label_folders = ("labels", "trainval", "SegmentationClassContext", "Labels_59", "GroundTruth_trainval_png")
    lists: ClassVar[Lists] = {"train": ("train.txt",), "val": ("val.txt",), "trainval": ("train.txt", "val.txt")}
    facts = Facts(
        title="Pascal Context",
        source="Mottaghi et al., The Role of Context for Object Detection and Semantic Segmentation, CVPR 2014",
        counts={"train": 4998, "val": 5105, "trainval": 10103},
        layout=("JPEGImages/NAME.jpg", "labels/NAME.png (0 … 459)", "{train,val}.txt: VOC 2010's ImageSets/Main"),
        pictures="about 500x375",
        crop=(520, 520),
        base=520,
        licence="pictures from Flickr under its terms; for research",
        obtained="https://cs.stanford.edu/~roozbeh/pascal-context",
        archives=("VOCtrainval_03-May-2010.tar", "trainval.tar.gz (459 categories)"),
    )
    recipe = (
        Take(r"VOC2010/JPEGImages/([^/]+\.jpg)", r"JPEGImages/\1"),
        Take(r"VOC2010/ImageSets/Main/(train|val)\.txt", r"\1.txt"),
        Take(r"(\d{4}_\d{6})\.mat", r"labels/\1.png", mat_to_png("LabelMap")),
        Take(r"labels\.txt", r"labels.txt", listed_numbers(_CATEGORIES)),
    )

    def __init__(
        self, split: str, root: str | Path | None = None, *, require_labels: bool = True, classes: Classes = 59
    ) -> None:
        self.space = SPACES[classes]
        super().__init__(split, root, require_labels=require_labels)

    @classmethod
    def label_space(cls, *, classes: Classes = 59, **options: Any) -> LabelSpace:
        return SPACES[classes]

    def names(self) -> list[str]:
        found = []
        for list_file in self.lists[self.split]:
            places = [self.root / folder / list_file for folder in _LIST_FOLDERS]
            found += names_in(next(filter(Path.is_file, places), places[0]))
        return found

    def decode(self, path: Path) -> np.ndarray:
        return read_matlab(path, "LabelMap") if path.suffix == ".mat" else read_deep(path)

    def numbering(self, path: Path) -> Numbering:
        return self.space.numbering("459" if path.parent.name in ("labels", "trainval") else "59")

"""SIFT Flow: outdoor scenes in 33 semantic classes.

Liu, Yuen, Torralba: Nonparametric Scene Parsing via Label Transfer. PAMI 2011; the data set as Tighe and Lazebnik
publish it. Classes: github.com/shelhamer/fcn.berkeleyvision.org, data/sift-flow: 0 is void; two pictures
(highway_bost181, street_urb506) have no labels and belong to no split; cow, desert and moon do not occur in the test
split. Colours: VOC's palette, as none is published.
"""

from pathlib import Path
from typing import ClassVar

import numpy as np

from core.data.datasets.facts import Facts
from core.data.datasets.images import read_label
from core.data.datasets.layouts import ListedDataset, Lists, below, names_in
from core.data.label_decoding import read_matlab
from core.data.labels import LabelSpace, counted_from, voc_palette
from core.data.prepare.convert import last_parts, mat_to_png
from core.data.prepare.recipe import Take

CLASSES = (
    "awning", "balcony", "bird", "boat", "bridge", "building", "bus", "car", "cow", "crosswalk", "desert",
    "door", "fence", "field", "grass", "moon", "mountain", "person", "plant", "pole", "river", "road", "rock",
    "sand", "sea", "sidewalk", "sign", "sky", "staircase", "streetlight", "sun", "tree", "window",
)  # fmt: skip

SPACE = LabelSpace(CLASSES, voc_palette(34)[1:], {"stored": counted_from(1, 33)}, void=("void",))

_WITHOUT_LABELS = {"highway_bost181", "street_urb506"}
_SCENES = r"(?:spatial_envelope_256x256_static_8outdoorcategories/)?"


class SiftFlow(ListedDataset):
    """SIFT Flow. What the list of the test split does not name is for training."""

    name = "siftflow"
    space = SPACE
    splits = ("train", "test")
    image_folder = "images"
    label_folders = ("labels",)
    lists: ClassVar[Lists] = {"test": ("test.txt",)}
    facts = Facts(
        title="SIFT Flow",
        source="Liu et al., Nonparametric Scene Parsing via Label Transfer, PAMI 2011",
        counts={"train": 2486, "test": 200},
        layout=("images/NAME.jpg", "labels/NAME.png (or .mat)", "test.txt"),
        pictures="256x256",
        licence="not known here",
        obtained="http://www.cs.unc.edu/~jtighe/Papers/ECCV10",
        archives=("SiftFlowDataset.zip",),
    )
    recipe = (
        Take(rf"Images/{_SCENES}([^/]+\.jpg)", r"images/\1"),
        Take(rf"SemanticLabels/{_SCENES}([^/]+)\.mat", r"labels/\1.png", mat_to_png("S")),
        Take(r"(?:TestSet1|test)\.txt", r"test.txt", last_parts),
    )

    def names(self) -> list[str]:
        test = names_in(self.root / "test.txt")
        if self.split == "test":
            return test
        return [name for name in below(self.root / "images") if name not in {*test, *_WITHOUT_LABELS}]

    def decode(self, path: Path) -> np.ndarray:
        return read_matlab(path, "S") if path.suffix == ".mat" else read_label(path)

"""GATECH: the geometric context of outdoor videos, in 8 classes.

Raza, Grundmann, Essa: Geometric Context from Videos. CVPR 2013. Classes, lists and the layout are MXNetSeg's, which
counts from 1 and leaves 0 out; how the videos are published could not be verified, so that `core.data.prepare` takes
frames and label maps that are laid out so already. Colours: VOC's palette, as none is published.
"""

from typing import ClassVar

from core.data.datasets.facts import Facts
from core.data.datasets.layouts import ListedDataset, Lists
from core.data.labels import LabelSpace, counted_from, voc_palette
from core.data.prepare.recipe import Take

CLASSES = ("sky", "ground", "solid buildings etc", "porous", "humans", "cars", "vertical mix", "main mix")

SPACE = LabelSpace(CLASSES, voc_palette(9)[1:], {"stored": counted_from(1, 8)}, void=("unlabelled",))


class GATECH(ListedDataset):
    """GATECH's frames."""

    name = "gatech"
    space = SPACE
    splits = ("train", "test")
    image_folder = "images"
    label_folders = ("labels",)
    lists: ClassVar[Lists] = {"train": ("train.txt",), "test": ("test.txt",)}
    facts = Facts(
        title="GATECH",
        source="Raza et al., Geometric Context from Videos, CVPR 2013",
        layout=("images/NAME.jpg", "labels/NAME.png", "{train,test}.txt"),
        licence="not known here",
        obtained="http://www.cc.gatech.edu/cpl/projects/videogeometriccontext",
    )
    recipe = (
        Take(r"images/(.+\.jpg)", r"images/\1"),
        Take(r"labels/(.+\.png)", r"labels/\1"),
        Take(r"((?:train|test)\.txt)", r"\1"),
    )

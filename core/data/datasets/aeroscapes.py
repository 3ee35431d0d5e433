"""Aeroscapes: frames of a drone in 12 classes.

Nigam, Huang, Ramanan: Ensemble Knowledge Transfer for Semantic Segmentation. WACV 2018. Colours: the archive's
Visualizations, as their users list them.
"""

from typing import ClassVar

from core.data.datasets.facts import Facts
from core.data.datasets.layouts import ListedDataset, Lists
from core.data.labels import read_rows, space_of
from core.data.prepare.recipe import Take

SPACE = space_of(
    read_rows("""
    0 000000 background
    1 c08080 person
    2 008000 bike
    3 808080 car
    4 800000 drone
    5 000080 boat
    6 c00080 animal
    7 c00000 obstacle
    8 c08000 construction
    9 004000 vegetation
    10 808000 road
    11 008080 sky
    """)
)


class Aeroscapes(ListedDataset):
    """Aeroscapes; the background is a class."""

    name = "aeroscapes"
    space = SPACE
    splits = ("train", "val")
    image_folder = "JPEGImages"
    label_folders = ("SegmentationClass",)
    lists: ClassVar[Lists] = {"train": ("ImageSets/trn.txt",), "val": ("ImageSets/val.txt",)}
    facts = Facts(
        title="Aeroscapes",
        source="Nigam et al., Ensemble Knowledge Transfer for Semantic Segmentation, WACV 2018",
        counts={"train": 2621, "val": 648},
        layout=("JPEGImages/NAME.jpg", "SegmentationClass/NAME.png", "ImageSets/{trn,val}.txt"),
        pictures="1280x720",
        crop=(480, 480),
        base=520,
        licence="not known here",
        obtained="https://github.com/ishann/aeroscapes",
        archives=("aeroscapes.tar.gz",),
    )
    recipe = (
        Take(r"JPEGImages/([^/]+\.jpg)", r"JPEGImages/\1"),
        Take(r"SegmentationClass/([^/]+\.png)", r"SegmentationClass/\1"),
        Take(r"ImageSets/(?:trn|train)\.txt", r"ImageSets/trn.txt"),
        Take(r"ImageSets/val\.txt", r"ImageSets/val.txt"),
    )

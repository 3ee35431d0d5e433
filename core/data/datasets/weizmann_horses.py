"""Weizmann Horses: a horse a picture, and what is not.

Borenstein, Ullman: Class-Specific, Top-Down Segmentation. ECCV 2002. The published masks are JPEG, in which black and
white have blurred; `core.data.prepare` takes what is brighter than the middle. There is no official split:
`train.txt` and `val.txt` are read where they are, else the first 200 pictures in order of name are for training (the
number that papers name; which 200 could not be verified).
"""

from typing import ClassVar

from core.data.datasets.facts import Facts
from core.data.datasets.layouts import ListedDataset, Lists, below
from core.data.labels import read_rows, space_of
from core.data.prepare.convert import mask_to_png
from core.data.prepare.recipe import Take

SPACE = space_of(read_rows("0 000000 background\n1 c00080 horse"))

_TRAINING = 200


class WeizmannHorses(ListedDataset):
    """Weizmann Horses."""

    name = "weizmann_horses"
    space = SPACE
    splits = ("train", "val")
    image_folder = "horse"
    label_folders = ("mask",)
    lists: ClassVar[Lists] = {split: (f"{split}.txt",) for split in ("train", "val")}
    facts = Facts(
        title="Weizmann Horses",
        source="Borenstein and Ullman, Class-Specific, Top-Down Segmentation, ECCV 2002",
        counts={"train": 200, "val": 128},
        layout=("horse/horseNNN.jpg (or .png)", "mask/horseNNN.png", "{train,val}.txt, if any"),
        pictures="of many sizes",
        licence="not known here",
        obtained="https://www.msri.org/people/members/eranb",
        archives=("weizmann_horse_db.tar.gz",),
    )
    recipe = (
        Take(r"(?:rgb|horse)/(horse\d+\.(?:jpg|png))", r"horse/\1"),
        Take(r"(?:figure_ground|mask)/(horse\d+)\.(?:jpg|png)", r"mask/\1.png", mask_to_png),
        Take(r"((?:train|val)\.txt)", r"\1"),
    )

    def names(self) -> list[str]:
        if all((self.root / f"{split}.txt").is_file() for split in self.splits):
            return super().names()
        every = list(below(self.root / self.image_folder))
        return every[:_TRAINING] if self.split == "train" else every[_TRAINING:]

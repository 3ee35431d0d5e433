"""Stanford Background: 715 outdoor scenes in 8 classes.

Gould, Fulton, Koller: Decomposing a Scene into Geometric and Semantically Consistent Regions. ICCV 2009. Labels are
text files of numbers 0 … 7; negative ones are unknown. Colours: MMSegmentation's tutorial.
"""

from pathlib import Path
from typing import Annotated

from core.data.datasets.base import Pair
from core.data.datasets.facts import Facts
from core.data.datasets.layouts import FolderDataset
from core.data.labels import read_rows, space_of
from core.data.prepare.convert import regions_to_png
from core.data.prepare.recipe import Take
from core.ranges import Range

SPACE = space_of(
    read_rows("""
    0 808080 sky
    1 817f26 tree
    2 78457d road
    3 357d22 grass
    4 000b7b water
    5 76140c building
    6 7a5119 mountain
    7 f18633 foreground object
    """),
    void=("unknown",),
)

_FOLDS = 5


class StanfordBackground(FolderDataset):
    """Stanford Background. The paper scores by five-fold cross-validation and publishes no lists.

    Args:
        fold: which fifth of the pictures, in order of name, is for validation: those whose place leaves it over 5.
    """

    name = "stanford_background"
    space = SPACE
    splits = ("train", "val", "trainval")
    folders = dict.fromkeys(("train", "val", "trainval"), (("images", "labels"),))
    facts = Facts(
        title="Stanford Background",
        source="Gould et al., Decomposing a Scene into Geometric and Semantically Consistent Regions, ICCV 2009",
        counts={"train": 572, "val": 143, "trainval": 715},
        layout=("images/NNNNNNN.jpg", "labels/NNNNNNN.png"),
        pictures="about 320x240",
        licence="not known here",
        obtained="http://dags.stanford.edu/projects/scenedataset.html",
        archives=("iccv09Data.tar.gz",),
    )
    recipe = (
        Take(r"images/(\d+\.jpg)", r"images/\1"),
        Take(r"labels/(\d+)\.regions\.txt", r"labels/\1.png", regions_to_png),
    )

    def __init__(
        self,
        split: str,
        root: str | Path | None = None,
        *,
        require_labels: bool = True,
        fold: Annotated[int, Range(0, below=_FOLDS)] = 0,
    ) -> None:
        self.fold = fold
        super().__init__(split, root, require_labels=require_labels)

    def list_pairs(self) -> list[Pair]:
        pairs = super().list_pairs()
        if self.split == "trainval":
            return pairs
        return [pair for i, pair in enumerate(pairs) if (i % _FOLDS == self.fold) == (self.split == "val")]

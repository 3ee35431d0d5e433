"""GATECH: the geometric context of outdoor videos, in 8 classes.

Raza, Grundmann, Essa: Geometric Context from Videos. CVPR 2013. Numbers, names and colours are those of
github.com/fvisin/dataset_loaders; MXNetSeg calls 5 humans and 6 cars, the other way round, which could not be settled
without the data. Frames in folders as the former reads them, or in MXNetSeg's with lists; how the videos themselves are
published could not be verified, so that `core.data.prepare` takes frames that have been drawn from them.
"""

from typing import ClassVar

from core.data.datasets.base import Pair
from core.data.datasets.facts import Facts
from core.data.datasets.layouts import ListedDataset, Lists, below, label_below
from core.data.labels import LabelSpace, counted_from, palette_of, read_rows
from core.data.prepare.recipe import Take
from core.errors import SplitMissing

_ROWS = read_rows("""
    1 ff0000 sky
    2 0082b4 ground
    3 00ff00 solid
    4 ffff00 porous
    5 7800ff cars
    6 ff00ff humans
    7 a0a0a0 vertical mix
    8 404040 main mix
""")
SPACE = LabelSpace(
    tuple(row.name for row in _ROWS), palette_of(_ROWS), {"stored": counted_from(1, 8)}, void=("unlabelled",)
)

_FOLDERS = {"train": "Images", "test": "Images_test"}


class GATECH(ListedDataset):
    """GATECH's frames. Without lists, `Images` is for training and `Images_test` for testing."""

    name = "gatech"
    space = SPACE
    splits = ("train", "test")
    image_folder = "images"
    label_folders = ("labels",)
    lists: ClassVar[Lists] = {"train": ("train.txt",), "test": ("test.txt",)}
    facts = Facts(
        title="GATECH",
        source="Raza et al., Geometric Context from Videos, CVPR 2013",
        layout=(
            "images/NAME.jpg, labels/NAME.png, {train,test}.txt",
            "or {Images,Images_test}/Original/NAME.png, {Images,Images_test}/Ground_Truth/NAME.png",
        ),
        licence="not known here",
        obtained="http://www.cc.gatech.edu/cpl/projects/videogeometriccontext",
    )
    recipe = (
        Take(r"(Images(?:_test)?/(?:Original|Ground_Truth)/[^/]+\.(?:png|jpg|bmp))", r"\1"),
        Take(r"images/(.+\.jpg)", r"images/\1"),
        Take(r"labels/(.+\.png)", r"labels/\1"),
        Take(r"((?:train|test)\.txt)", r"\1"),
    )

    def list_pairs(self) -> list[Pair]:
        if any((self.root / list_file).is_file() for list_file in self.lists[self.split]):
            return super().list_pairs()
        folder = self.root / _FOLDERS[self.split]
        if not (folder / "Original").is_dir():
            raise SplitMissing(f"{self.root}: has neither {self.split}.txt nor {folder.name}/Original")
        pictures = below(folder / "Original").items()
        return [Pair(name, image, label_below(folder / "Ground_Truth", name)) for name, image in pictures]

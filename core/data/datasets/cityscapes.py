"""Cityscapes with fine annotations, in the official folder layout.

Cordts et al.: The Cityscapes Dataset for Semantic Urban Scene Understanding. CVPR 2016. 2975 training, 500 validation
and 1525 test frames of 1024x2048 with 19 evaluated classes. Class numbers and colours: the label table of
https://github.com/mcordts/cityscapesScripts (cityscapesscripts/helpers/labels.py).
"""

from pathlib import Path

from core.data.datasets.base import FileDataset, Pair
from core.data.datasets.listing import choose, pictures_by_stem
from core.data.labels import IGNORE, LabelSpace, Numbering, palette_of, plain, read_rows
from core.errors import DataError

_ROWS = read_rows("""
    7 804080 road
    8 f423e8 sidewalk
    11 464646 building
    12 66669c wall
    13 be9999 fence
    17 999999 pole
    19 faaa1e traffic light
    20 dcdc00 traffic sign
    21 6b8e23 vegetation
    22 98fb98 terrain
    23 4682b4 sky
    24 dc143c person
    25 ff0000 rider
    26 00008e car
    27 000046 truck
    28 003c64 bus
    31 005064 train
    32 0000e6 motorcycle
    33 770b20 bicycle
""")
VOID = (
    "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "parking",
    "rail track", "guard rail", "bridge", "tunnel", "polegroup", "caravan", "trailer", "license plate",
)  # fmt: skip
_USED = {row.stored[0] for row in _ROWS}
_IDS = Numbering(
    tuple(row.stored for row in _ROWS),
    frozenset({*range(34), IGNORE} - _USED),  # 255 is the licence plate's -1 as an unsigned byte
)

SPACE = LabelSpace(
    tuple(row.name for row in _ROWS),
    palette_of(_ROWS),
    {"labelIds": _IDS, "labelTrainIds": plain(len(_ROWS))},
    VOID,
)
"""The 19 evaluated classes, by train id."""

_IMAGE_SUFFIX = "_leftImg8bit"


class Cityscapes(FileDataset):
    """Cityscapes, fine annotations, 19 classes; everything else is 255.

    `*_gtFine_labelTrainIds.png` is read where there is one, else `*_gtFine_labelIds.png` mapped by the official table.

    Args:
        split: train, val or test. The test labels are not public: open it with `require_labels=False`.
        root: the folder that holds `leftImg8bit` and `gtFine`.
        require_labels: refuse to open a split in which a picture has no label file.
        labelled_only: leave out the pictures that have no label file.
    """

    name = "cityscapes"
    space = SPACE
    splits = ("train", "val", "test")

    def __init__(
        self,
        split: str,
        root: str | Path | None = None,
        *,
        require_labels: bool = True,
        labelled_only: bool = False,
    ) -> None:
        self.labelled_only = labelled_only
        if split == "test" and (require_labels or labelled_only):
            raise DataError("the labels of cityscapes/test are not public: it serves for prediction only")
        super().__init__(split, root, require_labels=require_labels)

    def list_pairs(self) -> list[Pair]:
        folder = self.root / "leftImg8bit" / self.split
        if not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder; data.root must hold leftImg8bit and gtFine")
        pairs = []
        for city in sorted(path for path in folder.iterdir() if path.is_dir()):
            for found in pictures_by_stem(city.glob(f"*{_IMAGE_SUFFIX}.*")).values():
                image = choose(found)
                name = image.stem.removesuffix(_IMAGE_SUFFIX)
                label = self._label_file(city.name, name)
                if label is not None or not self.labelled_only:
                    pairs.append(Pair(name, image, label))
        return pairs

    def numbering(self, path: Path) -> Numbering:
        return self.space.numbering("labelTrainIds" if path.stem.endswith("_labelTrainIds") else "labelIds")

    def _label_file(self, city: str, name: str) -> Path | None:
        if self.split == "test":  # the published files are place-holders without content
            return None
        for kind in ("labelTrainIds", "labelIds"):
            path = self.root / "gtFine" / self.split / city / f"{name}_gtFine_{kind}.png"
            if path.is_file():
                return path
        return None

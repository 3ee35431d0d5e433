"""BDD100K, its 10,000 pictures with semantic labels, in the classes of Cityscapes.

Yu et al.: BDD100K: A Diverse Driving Dataset for Heterogeneous Multitask Learning. CVPR 2020. Label maps hold
Cityscapes' train ids; 255 is ignored.
"""

from typing import ClassVar

from core.data.datasets import cityscapes
from core.data.datasets.facts import Facts
from core.data.datasets.layouts import FolderDataset, Folders
from core.data.labels import LabelSpace, plain
from core.data.prepare.recipe import Take

SPACE = LabelSpace(cityscapes.SPACE.classes, cityscapes.SPACE.palette, {"trainIds": plain(19)}, cityscapes.SPACE.void)


class BDD100K(FolderDataset):
    """BDD100K's semantic segmentation, in the official layout."""

    name = "bdd100k"
    space = SPACE
    splits = ("train", "val", "test")
    unlabelled = frozenset({"test"})
    folders: ClassVar[Folders] = {
        "train": (("images/10k/train", "labels/sem_seg/masks/train"),),
        "val": (("images/10k/val", "labels/sem_seg/masks/val"),),
        "test": (("images/10k/test", None),),
    }
    facts = Facts(
        title="BDD100K",
        source="Yu et al., BDD100K, CVPR 2020",
        counts={"train": 7000, "val": 1000, "test": 2000},
        layout=("images/10k/{train,val,test}/NAME.jpg", "labels/sem_seg/masks/{train,val}/NAME.png"),
        pictures="1280x720",
        crop=(512, 1024),
        licence="BDD100K's own: education, research and not-for-profit use",
        obtained="https://bdd-data.berkeley.edu",
        archives=("bdd100k_images_10k.zip", "bdd100k_sem_seg_labels_trainval.zip", "bdd100k_seg.zip (2018)"),
    )
    recipe = (
        Take(r"images/10k/(train|val|test)/([^/]+\.jpg)", r"images/10k/\1/\2"),
        Take(r"labels/sem_seg/masks/(train|val)/([^/]+\.png)", r"labels/sem_seg/masks/\1/\2"),
        # the release of 2018
        Take(r"seg/images/(train|val|test)/([^/]+\.jpg)", r"images/10k/\1/\2"),
        Take(r"seg/labels/(train|val)/([^/]+)_train_id\.png", r"labels/sem_seg/masks/\1/\2.png"),
    )

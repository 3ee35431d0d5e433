"""The usual recipe of Cityscapes, as users of each public package write it.

Scale 0.5 to 2 at random, a crop of 768x768 (padded where the picture is smaller), a mirror, colour jitter with even
odds, ImageNet's normalisation: from uint8 [H, W, 3] RGB and uint8 [H, W] to float32 [3, 768, 768] and int64
[768, 768], contiguous, as a batch needs them. A `Peer` is built by a function that imports its package.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.peers_torch import import_torchvision
from core.data.datasets.base import IGNORE

CROP, SCALE = 768, (0.5, 2.0)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MEAN_255, STD_255 = [255 * value for value in MEAN], [255 * value for value in STD]

Arrays = tuple[np.ndarray, np.ndarray]
Transform = Callable[[np.ndarray, np.ndarray], Arrays]


@dataclass(frozen=True)
class Peer:
    """A public package's way. `differences`: from the recipe, for the reader."""

    name: str
    build: Callable[[], tuple[Transform, Callable[[Path, Path], Arrays]]]  # the transform, the decoder
    differences: str = ""


def read_cv2(image: Path, label: Path) -> Arrays:
    """With OpenCV, as nearly everybody reads."""
    picture = cv2.cvtColor(cv2.imread(str(image), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return picture, cv2.imread(str(label), cv2.IMREAD_UNCHANGED)


def read_pil(image: Path, label: Path) -> Arrays:
    from PIL import Image

    return np.array(Image.open(image).convert("RGB")), np.array(Image.open(label))


def _arrays(image: np.ndarray, label: np.ndarray) -> Arrays:
    """Pixels last [H, W, 3] to planes, labels to int64."""
    return np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32), label.astype(np.int64)


def albumentations() -> tuple[Transform, Callable[[Path, Path], Arrays]]:
    import albumentations as A

    recipe = A.Compose(
        [
            A.RandomScale((SCALE[0] - 1, SCALE[1] - 1), p=1.0),
            A.PadIfNeeded(CROP, CROP, border_mode=cv2.BORDER_CONSTANT, fill=0, fill_mask=IGNORE),
            A.RandomCrop(CROP, CROP),
            A.HorizontalFlip(p=0.5),
            A.ColorJitter(brightness=0.125, contrast=0.5, saturation=0.5, hue=0.1, p=0.5),
            A.Normalize(MEAN, STD),
        ]
    )

    def transform(image: np.ndarray, label: np.ndarray) -> Arrays:
        made = recipe(image=image, mask=label)
        return _arrays(made["image"], made["mask"])

    return transform, read_cv2


def torchvision() -> tuple[Transform, Callable[[Path, Path], Arrays]]:
    import torch

    import_torchvision()
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    recipe = v2.Compose(
        [
            v2.ScaleJitter((1024, 2048), scale_range=SCALE, antialias=False),
            v2.RandomCrop((CROP, CROP), pad_if_needed=True, fill={tv_tensors.Image: 0, tv_tensors.Mask: IGNORE}),
            v2.RandomHorizontalFlip(0.5),
            v2.RandomPhotometricDistort((0.875, 1.125), (0.5, 1.5), (0.5, 1.5), (-0.1, 0.1), p=0.5),
            v2.ToDtype({tv_tensors.Image: torch.float32, tv_tensors.Mask: torch.int64, "others": None}, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )

    def transform(image: np.ndarray, label: np.ndarray) -> Arrays:
        pixels = torch.from_numpy(image).permute(2, 0, 1)
        made, mask = recipe(tv_tensors.Image(pixels), tv_tensors.Mask(torch.from_numpy(label)[None]))
        return made.contiguous().numpy(), mask[0].numpy()

    return transform, read_pil


def paddleseg() -> tuple[Transform, Callable[[Path, Path], Arrays]]:
    from benchmarks.peers_paddle import import_package

    import_package("paddleseg")
    from paddleseg import transforms as T

    recipe = T.Compose(
        [
            T.ResizeStepScaling(*SCALE, 0),
            T.RandomPaddingCrop([CROP, CROP], 127.5, IGNORE),
            T.RandomHorizontalFlip(),
            T.RandomDistort(0.125, 0.5, 0.5, 0.5, 0.5, 0.5, 18, 0.5),
            T.Normalize(MEAN, STD),
        ],
        to_rgb=False,
    )

    def transform(image: np.ndarray, label: np.ndarray) -> Arrays:
        made = recipe({"img": image, "label": label, "gt_fields": ["label"], "trans_info": []})
        return np.ascontiguousarray(made["img"], np.float32), made["label"].astype(np.int64)

    return transform, read_cv2


def gluoncv() -> tuple[Transform, Callable[[Path, Path], Arrays]]:
    from benchmarks.peers_mxnet import import_package

    import_package("gluoncv")
    from gluoncv.data.segbase import SegmentationDataset
    from mxnet.gluon.data.vision import transforms
    from PIL import Image

    data = SegmentationDataset(".", "train", "train", None, base_size=2048, crop_size=CROP)
    recipe = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])

    def transform(image: np.ndarray, label: np.ndarray) -> Arrays:
        pixels, mask = data._sync_transform(Image.fromarray(image), Image.fromarray(label))
        return recipe(pixels).asnumpy(), mask.asnumpy().astype(np.int64)

    return transform, read_pil


def mmsegmentation() -> tuple[Transform, Callable[[Path, Path], Arrays]]:
    from mmcv.transforms import Compose, Normalize, Pad, RandomFlip, RandomResize

    photometric, crop = _mmseg_transforms()
    recipe = Compose(
        [
            RandomResize(scale=(2048, 1024), ratio_range=SCALE, keep_ratio=True),
            crop((CROP, CROP), cat_max_ratio=1.0),
            RandomFlip(0.5),
            photometric(32, (0.5, 1.5), (0.5, 1.5), 18),
            Normalize(MEAN_255, STD_255, to_rgb=True),
            Pad(size=(CROP, CROP), pad_val={"img": 0, "seg": IGNORE}),
        ]
    )

    def transform(image: np.ndarray, label: np.ndarray) -> Arrays:
        made = recipe(
            {
                "img": image,
                "gt_seg_map": label,
                "img_shape": label.shape,
                "seg_fields": ["gt_seg_map"],
                "scale": (2048, 1024),
            }
        )
        return _arrays(made["img"], made["gt_seg_map"])

    return transform, read_cv2


def _mmseg_transforms() -> tuple[Any, Any]:
    """PhotoMetricDistortion and RandomCrop, without the models that mmseg's own initialisation asks operators for."""
    root = importlib.util.find_spec("mmseg")
    if root is None:
        raise ModuleNotFoundError("mmsegmentation is not installed")
    for name in ("mmseg", "mmseg.datasets", "mmseg.datasets.transforms"):
        package = types.ModuleType(name)
        package.__path__ = [str(Path(next(iter(root.submodule_search_locations or []))).joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    module = importlib.import_module("mmseg.datasets.transforms.transforms")
    return module.PhotoMetricDistortion, module.RandomCrop


PEERS = (
    Peer("albumentations", albumentations, "its colour jitter is drawn as a whole, p 0.5"),
    Peer("torchvision v2", torchvision, "reads with Pillow"),
    Peer("PaddleSeg", paddleseg),
    Peer("GluonCV", gluoncv, "blurs (p 0.5) instead of jittering colours; reads with Pillow"),
    Peer("mmsegmentation", mmsegmentation),
)

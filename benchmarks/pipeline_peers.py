"""The usual recipe of Cityscapes (benchmarks.pipeline_recipe), as users of each public package write it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.pipeline_recipe import CROP, MEAN, SCALE, STD, Arrays, Transform, arrays, read_cv2
from core.data.datasets.base import IGNORE

Built = tuple[Transform, Callable[[Path, Path], Arrays]]  # the transform, the decoder


@dataclass(frozen=True)
class Peer:
    """A public package's way. `differences`: from the recipe, for the reader."""

    name: str
    build: Callable[[], Built]
    differences: str = ""


def albumentations() -> Built:
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
        return arrays(made["image"], made["mask"])

    return transform, read_cv2


def _of(module: str, function: str) -> Callable[[], Built]:
    """A function of a module that imports its framework only when it is asked for."""

    def build() -> Built:
        built: Built = getattr(importlib.import_module("benchmarks." + module), function)()
        return built

    return build


PEERS = (
    Peer("albumentations", albumentations, "its colour jitter is drawn as a whole, p 0.5"),
    Peer("torchvision v2", _of("pipeline_torch", "torchvision"), "reads with Pillow"),
    Peer("PaddleSeg", _of("pipeline_paddle", "paddleseg")),
    Peer("GluonCV", _of("pipeline_mxnet", "gluoncv"), "blurs (p 0.5) instead of jittering colours; reads with Pillow"),
    Peer("mmsegmentation", _of("pipeline_torch", "mmsegmentation")),
)

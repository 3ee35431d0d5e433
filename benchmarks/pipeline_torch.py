"""torchvision and mmsegmentation, for benchmarks.pipeline_peers."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.peers_torch import import_torchvision
from benchmarks.pipeline_recipe import (
    CROP,
    MEAN,
    MEAN_255,
    SCALE,
    STD,
    STD_255,
    Arrays,
    Transform,
    arrays,
    read_cv2,
    read_pil,
)
from core.data.datasets.base import IGNORE


def torchvision() -> tuple[Transform, Callable[[Path, Path], Arrays]]:
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
        return arrays(made["img"], made["gt_seg_map"])

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

"""PaddleSeg, for benchmarks.pipeline_peers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.peers_paddle import import_package
from benchmarks.pipeline_recipe import CROP, MEAN, SCALE, STD, Arrays, Transform, read_cv2
from core.data.datasets.base import IGNORE


def paddleseg() -> tuple[Transform, Callable[[Path, Path], Arrays]]:
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

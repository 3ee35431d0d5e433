"""GluonCV, for benchmarks.pipeline_peers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.peers_mxnet import import_package
from benchmarks.pipeline_recipe import CROP, MEAN, STD, Arrays, Transform, read_pil


def gluoncv() -> tuple[Transform, Callable[[Path, Path], Arrays]]:
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

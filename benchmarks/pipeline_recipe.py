"""The usual recipe of Cityscapes in numbers, and how its users read files.

Scale 0.5 to 2 at random, a crop of 768x768 (padded where the picture is smaller), a mirror, colour jitter with even
odds, ImageNet's normalisation: from uint8 [H, W, 3] RGB and uint8 [H, W] to float32 [3, 768, 768] and int64
[768, 768], contiguous, as a batch needs them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

CROP, SCALE = 768, (0.5, 2.0)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MEAN_255, STD_255 = [255 * value for value in MEAN], [255 * value for value in STD]

Arrays = tuple[np.ndarray, np.ndarray]
Transform = Callable[[np.ndarray, np.ndarray], Arrays]


def read_cv2(image: Path, label: Path) -> Arrays:
    """With OpenCV, as nearly everybody reads."""
    picture = cv2.cvtColor(cv2.imread(str(image), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return picture, cv2.imread(str(label), cv2.IMREAD_UNCHANGED)


def read_pil(image: Path, label: Path) -> Arrays:
    from PIL import Image

    return np.array(Image.open(image).convert("RGB")), np.array(Image.open(label))


def arrays(image: np.ndarray, label: np.ndarray) -> Arrays:
    """Pixels last [H, W, 3] to planes, labels to int64."""
    return np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32), label.astype(np.int64)

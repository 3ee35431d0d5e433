"""Where classes meet: targets of boundary supervision, made from labels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from core.data.datasets import IGNORE


def boundaries(labels: NDArray[np.integer], radius: int = 1) -> NDArray[np.int64]:
    """[N, H, W] class numbers to int64 [N, H, W]: 1 on boundaries, 0 elsewhere, 255 where the label is ignored.

    A pixel is on a boundary if another class stands within `radius` pixels of it along both axes (a square of
    2 * radius + 1). Ignored pixels belong to no class and make no boundary, and neither does the picture's edge.
    """
    valid = labels != IGNORE
    window = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    found = np.full(labels.shape, IGNORE, np.int64)
    for label, known, target in zip(labels, valid, found):
        # Of the labelled pixels in a window: two classes are there exactly if the largest and smallest number differ.
        largest = cv2.dilate(np.where(known, label + 1, 0).astype(np.uint8), window).astype(np.int64) - 1
        smallest = cv2.erode(np.where(known, label, IGNORE).astype(np.uint8), window)
        target[known] = (largest != smallest)[known]
    return found

"""Boundary IoU: how well the outlines of the classes are met.

Cheng, Girshick, Dollár, Berg, Kirillov, "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation" (CVPR
2021, arXiv:2103.16562): of each class, the IoU of those of its pixels that are at most d from where it ends, in ground
truth and prediction; d is 2 % of the picture's diagonal. A class ends at the picture's edge too, as in the authors'
code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from core.metrics import Scores

DILATION = 0.02  # of the picture's diagonal


def distance(height: int, width: int, dilation: float = DILATION) -> int:
    """How wide a boundary is, in pixels, at least 1."""
    return max(1, round(dilation * math.hypot(height, width)))


def boundary(label: NDArray[np.uint8], width: int) -> NDArray[np.bool_]:
    """Where [H, W] another value, or the map's outside, is at most `width` pixels away, diagonally too.

    A pixel's whole square is of its value just where the least and the largest in it are equal: two filters for all
    classes at once.
    """
    square = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    found = cv2.erode(label, square) != cv2.dilate(label, square)
    found[:width], found[-width:], found[:, :width], found[:, -width:] = True, True, True, True
    return found


class BoundaryCounts:
    """`counts` int64 [2, num_classes]: pixels of both boundaries, and of either, of each class; over a data set.

    Ignored pixels are of no class in the prediction either: they count nowhere, and every class ends at them in both.
    """

    def __init__(self, num_classes: int, ignore_index: int | None = 255, dilation: float = DILATION) -> None:
        self.num_classes, self.ignore_index, self.dilation = num_classes, ignore_index, dilation
        self.counts: NDArray[np.int64] = np.zeros((2, num_classes), np.int64)

    def update(self, label: NDArray[np.uint8], prediction: NDArray[np.uint8]) -> None:
        """Counts one picture's two maps, [H, W]."""
        if self.ignore_index is not None:
            prediction = np.where(label == self.ignore_index, label, prediction)
        width = distance(label.shape[0], label.shape[1], self.dilation)
        truth, found = boundary(label, width), boundary(prediction, width)
        both = label[truth & found & (label == prediction)]
        hit, here, there = (
            np.bincount(values, minlength=256)[: self.num_classes] for values in (both, label[truth], prediction[found])
        )
        self.counts += np.stack([hit, here + there - hit])

    def added_to(self, scores: Scores, mean_over: Sequence[int] | None = None) -> Scores:
        """The scores with the boundary IoU of each class, and its mean over the same classes as the mean IoU."""
        absent = 0.0 if scores.absent == "zero" else math.nan
        each = [int(hit) / int(either) if either else absent for hit, either in self.counts.T]
        chosen = [each[index] for index in (range(self.num_classes) if mean_over is None else mean_over)]
        defined = [value for value in chosen if not math.isnan(value)]
        mean = sum(defined) / len(defined) if defined else math.nan
        return replace(scores, boundary_iou=tuple(each), mean_boundary_iou=mean)

"""The confusion matrix and the scores read from it: one implementation, used by every backend.

Pixels whose ground truth is the ignore index count nowhere, not even as false positives of the class predicted there.
Classes that occur neither in the ground truth nor in the predictions have no score (nan) and are left out of the means,
as in Cityscapes' `evalPixelLevelSemanticLabeling.py`; other code bases count them as 0 (`absent="zero"`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError, DataError

Absent = Literal["skip", "zero"]

# cv2.calcHist returns float32, which counts exactly up to 2**24: larger maps are counted in pieces.
_EXACT_COUNT = 1 << 24


@dataclass(frozen=True)
class Scores:
    """What a confusion matrix says. Fractions in [0, 1]; nan where a score is not defined."""

    mean_iou: float
    pixel_accuracy: float
    mean_accuracy: float
    frequency_weighted_iou: float
    iou: tuple[float, ...]  # per class: TP / (TP + FP + FN)
    accuracy: tuple[float, ...]  # per class: TP / (TP + FN)
    pixels: tuple[int, ...]  # per class: ground-truth pixels
    absent: Absent = "skip"
    boundary_iou: tuple[float, ...] | None = None  # per class, where asked for (core.evaluation.boundary)
    mean_boundary_iou: float = math.nan

    def to_dict(self, classes: Sequence[str] | None = None) -> dict[str, Any]:
        """Ready for JSON (nan becomes None). Per-class values are keyed by name if `classes` is given, else lists."""
        per_class: dict[str, tuple[float, ...]] = {"iou": self.iou, "accuracy": self.accuracy, "pixels": self.pixels}
        if classes is not None:
            self._check_names(classes)
        summary: dict[str, Any] = {
            "mean_iou": _json(self.mean_iou),
            "pixel_accuracy": _json(self.pixel_accuracy),
            "mean_accuracy": _json(self.mean_accuracy),
            "frequency_weighted_iou": _json(self.frequency_weighted_iou),
            "absent_classes": self.absent,
        }
        if self.boundary_iou is not None:
            summary["mean_boundary_iou"] = _json(self.mean_boundary_iou)
            per_class["boundary_iou"] = self.boundary_iou
        for key, values in per_class.items():
            clean = [_json(value) for value in values]
            summary[key] = clean if classes is None else dict(zip(classes, clean))
        return summary

    def table(self, classes: Sequence[str]) -> str:
        """An aligned plain-text table in percent, a line per class, the summary below; '-' where there is no score."""
        self._check_names(classes)
        width = max([len("frequency-weighted IoU"), *(len(name) for name in classes)])
        total = max(1, sum(self.pixels))
        outlines = self.boundary_iou
        title = f"{'class':<{width}}  {'IoU':>7}  {'accuracy':>8}  {'share':>7}" + "  boundary IoU" * (
            outlines is not None
        )
        rule = "-" * (width + 30 + 14 * (outlines is not None))
        lines = [title, rule]
        for index, (name, iou, accuracy, pixels) in enumerate(zip(classes, self.iou, self.accuracy, self.pixels)):
            share = _percent(pixels / total)
            last = "" if outlines is None else f"{_percent(outlines[index]):>14}"
            lines.append(f"{name:<{width}}  {_percent(iou):>7}  {_percent(accuracy):>8}  {share:>7}{last}".rstrip())
        lines.append(rule)
        for name, value in (
            ("mean IoU", self.mean_iou),
            ("pixel accuracy", self.pixel_accuracy),
            ("mean accuracy", self.mean_accuracy),
            ("frequency-weighted IoU", self.frequency_weighted_iou),
            *(() if outlines is None else (("mean boundary IoU", self.mean_boundary_iou),)),
        ):
            lines.append(f"{name:<{width}}  {_percent(value):>7}")
        return "\n".join(lines)

    def _check_names(self, classes: Sequence[str]) -> None:
        if len(classes) != len(self.iou):
            raise ConfigError(f"{len(classes)} class names were given for scores of {len(self.iou)} classes")


class ConfusionMatrix:
    """Counts of (ground truth, prediction) pairs: `matrix` int64 [num_classes, num_outputs], rows are the ground truth.

    `num_outputs` is larger than `num_classes` for networks that also predict "void" (the published ESPNet weights: 20
    outputs for 19 classes): a void prediction on a labelled pixel is then a miss of the true class and no class's false
    positive, as Cityscapes' scripts count it.
    """

    def __init__(self, num_classes: int, ignore_index: int | None = 255, num_outputs: int | None = None) -> None:
        outputs = num_classes if num_outputs is None else num_outputs
        if not 1 <= num_classes <= outputs <= 256:
            raise ConfigError(
                f"a confusion matrix needs 1 <= num_classes <= num_outputs <= 256, got {num_classes} and {outputs}"
            )
        if ignore_index is not None and not num_classes <= ignore_index <= 255:
            raise ConfigError(
                f"ignore_index must be in {num_classes}..255 for {num_classes} classes, got {ignore_index}"
            )
        self.num_classes = num_classes
        self.num_outputs = outputs
        self.ignore_index = ignore_index
        self.matrix: NDArray[np.int64] = np.zeros((num_classes, outputs), np.int64)

    def update(self, label: NDArray[np.integer], prediction: NDArray[np.integer]) -> None:
        """Count one map or a batch: integer arrays of the same shape, [H, W] or [N, H, W].

        Raises DataError where the shapes differ, where a prediction is outside 0..num_outputs-1 or where a label is
        neither a class nor the ignore index; nothing is counted then.
        """
        label, prediction = np.asarray(label), np.asarray(prediction)
        if label.shape != prediction.shape:
            raise DataError(f"label {list(label.shape)} and prediction {list(prediction.shape)} differ in shape")
        if label.ndim not in (2, 3):
            raise DataError(f"label and prediction must be [H, W] or [N, H, W], got {list(label.shape)}")
        if label.size == 0:
            return
        counts = _joint_histogram(_as_bytes(label, "label"), _as_bytes(prediction, "prediction"), self.num_outputs)
        if int(counts.sum()) != label.size:  # pairs outside the histogram are dropped by OpenCV: never silently here
            raise DataError(f"prediction holds {int(prediction.max())}, the largest output is {self.num_outputs - 1}")
        labels_seen = np.flatnonzero(counts.sum(axis=1))
        wrong = [int(value) for value in labels_seen if value >= self.num_classes and value != self.ignore_index]
        if wrong:
            raise DataError(
                f"label holds {wrong}, which are neither classes 0..{self.num_classes - 1} nor ignored "
                f"(ignore_index {self.ignore_index}); map the data set's raw ids to class ids first"
            )
        self.matrix += counts[: self.num_classes]

    def scores(self, absent: Absent = "skip", mean_over: Iterable[int] | None = None) -> Scores:
        """The scores of everything counted so far.

        absent: "skip" gives a class that occurs neither in the ground truth nor in the predictions nan and leaves it
            out of the means (Cityscapes); "zero" counts it as 0 (MXNetSeg).
        mean_over: the classes that the means are taken over; all by default. (The published ESPNet figures on CamVid
            keep void as a twelfth class of the matrix and average the first eleven.)
        """
        if absent not in ("skip", "zero"):
            raise ConfigError(f"absent must be 'skip' or 'zero', got {absent!r}")
        chosen = list(range(self.num_classes)) if mean_over is None else list(mean_over)
        if any(not 0 <= index < self.num_classes for index in chosen):
            raise ConfigError(f"mean_over {chosen} names classes outside 0..{self.num_classes - 1}")
        hit = np.diagonal(self.matrix)  # [C]
        truth = self.matrix.sum(axis=1)  # [C] = TP + FN
        predicted = self.matrix[:, : self.num_classes].sum(axis=0)  # [C] = TP + FP
        iou = [_ratio(h, t + p - h) for h, t, p in zip(hit, truth, predicted)]
        accuracy = [_ratio(h, t) for h, t in zip(hit, truth)]
        total = int(truth.sum())
        weighted = sum(i * int(t) for i, t in zip(iou, truth) if t > 0)
        if absent == "zero":
            iou = [0.0 if math.isnan(value) else value for value in iou]
            accuracy = [0.0 if math.isnan(value) else value for value in accuracy]
        return Scores(
            mean_iou=_mean(iou[index] for index in chosen),
            pixel_accuracy=_ratio(hit.sum(), total),
            mean_accuracy=_mean(accuracy[index] for index in chosen),
            frequency_weighted_iou=_ratio(weighted, total),
            iou=tuple(iou),
            accuracy=tuple(accuracy),
            pixels=tuple(int(t) for t in truth),
            absent=absent,
        )


def _joint_histogram(label: NDArray[np.uint8], prediction: NDArray[np.uint8], outputs: int) -> NDArray[np.int64]:
    """Counts [256, outputs] of the pairs of two uint8 maps.

    `cv2.calcHist` reads the two maps as they are: no combined index is stored, and it was two to three times as fast as
    the customary `np.bincount(label * C + prediction)`.
    """
    label = label.reshape(-1, label.shape[-1])
    prediction = prediction.reshape(label.shape)
    rows = max(1, _EXACT_COUNT // label.shape[1])
    counts = np.zeros((256, outputs), np.int64)
    for top in range(0, label.shape[0], rows):
        pair = [label[top : top + rows], prediction[top : top + rows]]
        counts += cv2.calcHist(pair, [0, 1], None, [256, outputs], [0, 256, 0, outputs]).astype(np.int64)
    return counts


def _as_bytes(array: NDArray[np.integer], what: str) -> NDArray[np.uint8]:
    if array.dtype.kind not in "iu":
        raise DataError(f"{what} must hold integers, got {array.dtype}")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 255:
        raise DataError(f"{what} holds values from {low} to {high}; class ids are 0..255")
    return array.astype(np.uint8, copy=False)


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else math.nan


def _mean(values: Iterable[float]) -> float:
    # Summed in order, as the Cityscapes scripts do, so that the last digit agrees too.
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def _json(value: float) -> float | None:
    return None if math.isnan(value) else value


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.2f}"

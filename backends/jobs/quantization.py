"""8-bit networks for the `export` job: the pictures they are calibrated with, and what the 8 bits cost."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from core.arch import Spec
from core.backend import Runner
from core.config import Config
from core.data import Dataset
from core.data.normalization import Normalize
from core.data.resampling import resize_label
from core.errors import ConfigError, DataError, SegParityError
from core.evaluation.scoring import progress
from core.evaluation.segmenting import argmax
from core.export import ExportForm
from core.metrics import ConfusionMatrix, Scores


@dataclass(frozen=True)
class Feed:
    """A data set's pictures as an exported file takes them: at its size, or at their own, or the next that fits."""

    spec: Spec
    form: ExportForm
    normalize: Normalize

    def size(self, picture: np.ndarray) -> tuple[int, int]:
        return self.form.size or self.spec.size_at_least(picture.shape[0], picture.shape[1])

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """uint8 [h, w, 3] -> the input, a batch of one."""
        height, width = self.size(picture)
        smaller = height * width < picture.shape[0] * picture.shape[1]
        resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
        return self.form.inputs(resized[None], self.normalize)


def calibration_set(config: Config, count: int) -> tuple[Dataset, list[int]]:
    """The training split and `count` of its pictures, evenly spread. Raises ConfigError where there is none."""
    try:
        dataset = config.open_dataset(config.data.train)
    except SegParityError as error:
        raise ConfigError(
            f"--int8 is calibrated with pictures of data.dataset, split data.train, which do not open: {error}"
        ) from error
    if not len(dataset):
        raise DataError(f"{dataset.name}/{dataset.split}: holds no picture to calibrate --int8 with")
    return dataset, np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int).tolist()


def inputs_of(dataset: Dataset, places: list[int], feed: Feed) -> Iterator[np.ndarray]:
    """The chosen pictures as the network takes them, read one at a time."""
    for index in progress(places, "calibrate"):
        yield feed(dataset.image_of(index))


def _classes(found: np.ndarray) -> np.ndarray:
    """A file's answer, logits [1, C, H, W] or classes [1, H, W] -> uint8 [H, W]."""
    if found.ndim == 4 and not np.isfinite(found).all():
        raise DataError("the int8 file gives logits that are no numbers; calibrate with more pictures (--calibrate)")
    return argmax(found[0]) if found.ndim == 4 else found[0]


@dataclass(frozen=True)
class Cost:
    """Two files on the same pictures. agreement: share of pixels of the same class."""

    split: str
    pictures: int
    whole: Scores
    quantized: Scores
    agreement: float

    def __str__(self) -> str:
        before, after = 100 * self.whole.mean_iou, 100 * self.quantized.mean_iou
        return (
            f"{self.split}, {self.pictures} pictures: mIoU {before:.2f} in float32, {after:.2f} in int8 "
            f"({after - before:+.2f}); the same class at {100 * self.agreement:.2f} % of the pixels"
        )


def cost(dataset: Dataset, feed: Feed, config: Config, whole: Runner, quantized: Runner, limit: int | None) -> Cost:
    """Scores both files at the size they take. Raises DataError where a picture has no label."""
    outputs = feed.spec.num_classes
    matrices = [ConfusionMatrix(dataset.num_classes, dataset.ignore_index, outputs) for _ in range(2)]
    count, same, pixels = min(limit or len(dataset), len(dataset)), 0, 0
    for index in progress(range(count), f"eval {dataset.split}", count):
        sample = dataset[index]
        if sample.label is None:
            raise DataError(f"{dataset.location(index)}: has no label to evaluate against")
        batch, label = feed(sample.image), resize_label(sample.label.astype(np.uint8), feed.size(sample.image))
        found = [_classes(np.asarray(runner(batch))) for runner in (whole, quantized)]
        for matrix, classes in zip(matrices, found):
            matrix.update(label, classes)
        same, pixels = same + int((found[0] == found[1]).sum()), pixels + label.size
    scores = [matrix.scores(config.metrics.absent, config.metrics.mean_over) for matrix in matrices]
    return Cost(f"{dataset.name}/{dataset.split}", count, scores[0], scores[1], same / max(1, pixels))


def print_cost(config: Config, split: str | None, measured: Callable[[Dataset], Cost]) -> None:
    """What the 8 bits cost on the split, or why that cannot be told. A split asked for by name has to be there."""
    try:
        print(measured(config.open_dataset(split or config.data.val)))
    except SegParityError as error:
        if split is not None:
            raise
        print(f"the mIoU that int8 costs is not known: {error}", file=sys.stderr)

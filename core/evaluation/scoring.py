"""Scoring a network on a data set: the part of the `eval` job, and of training, that no framework decides."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from core.arch import Spec
from core.backend import Predictor
from core.config import MetricsConfig
from core.data import Dataset
from core.data.datasets.base import few_classes
from core.data.pipeline import EvaluationSamples
from core.data.resampling import resize_label
from core.data.transforms import EvalTransform
from core.errors import ConfigError, DataError, SegParityError, SpecError
from core.evaluation.boundary import BoundaryCounts
from core.evaluation.protocol import EvaluationProtocol
from core.evaluation.segmenting import label_map
from core.metrics import ConfusionMatrix, Scores
from core.shard import ALONE, Processes, agree

T = TypeVar("T")


@dataclass
class Evaluation:
    """Scores of a split, over `num_outputs` network outputs."""

    scores: Scores
    pictures: int
    confusion: np.ndarray  # int64 [classes, outputs], truth in rows
    picture_iou: dict[int, float]  # each picture's own mean IoU; nan where nothing is labelled
    worst: list[Judged] = field(default_factory=list)  # the worst first


@dataclass(frozen=True)
class Judged:
    """A picture of the split with its own mean IoU and its label maps, both of the prediction's size."""

    index: int
    iou: float
    label: np.ndarray
    prediction: np.ndarray


class _Worst:
    """Keeps the `count` pictures of least IoU; of equal ones the first."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.kept: list[Judged] = []

    def offer(self, picture: Judged) -> None:
        if math.isnan(picture.iou):
            return
        self.kept = sorted([*self.kept, picture], key=lambda judged: (judged.iou, judged.index))[: self._count]


def progress(items: Iterable[T], title: str, total: int | None = None) -> Iterator[T]:
    """A progress bar, silent where the output is no terminal."""
    return iter(tqdm(items, desc=title, total=total, disable=None, leave=False, dynamic_ncols=True))


def _prefetched(samples: EvaluationSamples, places: range) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The samples in order, the next one read while the present one is in use."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        pending = reader.submit(samples.__getitem__, places.start)
        for index in places:
            image, label = pending.result()
            if index + 1 < places.stop:
                pending = reader.submit(samples.__getitem__, index + 1)
            yield image, label


def check_evaluation(
    dataset: Dataset, transform: EvalTransform, protocol: EvaluationProtocol, spec: Spec, metrics: MetricsConfig
) -> None:
    """What would otherwise fail only when a network is scored: classes, metrics, names, the first picture and its size.

    Raises ConfigError or DataError.
    """
    if spec.num_classes < dataset.num_classes:
        raise ConfigError(
            f"the network has {spec.num_classes} outputs, data set {dataset.name!r} has {dataset.num_classes} classes"
        )
    confusion = ConfusionMatrix(dataset.num_classes, dataset.ignore_index, spec.num_classes)
    confusion.scores(metrics.absent, metrics.mean_over)
    image, _ = EvaluationSamples(dataset, transform)[0]
    try:
        protocol.check_size(image.shape[1], image.shape[2], spec)
    except SpecError as error:
        raise DataError(f"{dataset.location(0)}: {error}") from error


def output_names(dataset: Dataset) -> list[str]:
    """A file name without extension for each sample. Raises DataError where two samples would share one."""
    names: dict[str, int] = {}
    for index in range(len(dataset)):
        name = dataset.name_of(index)
        if "/" in name or name in names:
            other = f" and {dataset.location(names[name])}" if name in names else ""
            raise DataError(f"{dataset.location(index)}{other}: no file name of its own can be made of {name!r}")
        names[name] = index
    return list(names)


def evaluate(
    dataset: Dataset,
    transform: EvalTransform,
    protocol: EvaluationProtocol,
    predictor: Predictor,
    spec: Spec,
    *,
    metrics: MetricsConfig,
    limit: int | None = None,
    keep: Callable[[int, np.ndarray, np.ndarray], None] | None = None,
    worst: int = 0,
    processes: Processes = ALONE,
    boundary_iou: bool = False,
) -> Evaluation:
    """Predicts every picture of `dataset` and counts. `keep(index, label, prediction)` is called for each.

    worst: how many of the pictures of least IoU are given back with their label maps. Each of several `processes` takes
    its share of the pictures; counts and scores are the whole split's in all of them, the worst pictures in the first.
    boundary_iou: the scores have it as well (core.evaluation.boundary).

    Raises what `check_evaluation` does, and DataError for a picture that cannot be read or does not fit.
    """
    check_evaluation(dataset, transform, protocol, spec, metrics)
    confusion = ConfusionMatrix(dataset.num_classes, dataset.ignore_index, spec.num_classes)
    outlines = BoundaryCounts(dataset.num_classes, dataset.ignore_index) if boundary_iou else None
    each: dict[int, float] = {}
    count = len(dataset) if limit is None else min(limit, len(dataset))
    samples = EvaluationSamples(dataset, transform)
    worst_pictures = _Worst(worst)

    def look(index: int, image: np.ndarray, label: np.ndarray) -> tuple[ConfusionMatrix, Judged]:
        """A picture's counts and its label map, [H, W]; `keep` has it as well."""
        try:
            prediction = label_map(image, predictor, protocol, spec)
        except SegParityError as error:
            raise DataError(f"{dataset.location(index)}: {error}") from error
        label = label.astype(np.uint8)
        resized = resize_label(label, (prediction.shape[0], prediction.shape[1]))
        picture = ConfusionMatrix(dataset.num_classes, dataset.ignore_index, spec.num_classes)
        picture.update(resized, prediction)
        if keep is not None and index in places:
            keep(index, label, prediction)
        return picture, Judged(index, picture.scores("skip", metrics.mean_over).mean_iou, resized, prediction)

    places, failure = processes.shard.share(count), None
    try:
        read = progress(_prefetched(samples, places), f"eval {dataset.split}", len(places))
        for index, (image, label) in zip(places, read):
            picture, judged = look(index, image, label)
            confusion.matrix += picture.matrix
            if outlines is not None:
                outlines.update(judged.label, judged.prediction)
            each[index] = judged.iou
            worst_pictures.offer(judged)
    except Exception as error:
        failure = error
    agree(processes, failure)
    confusion.matrix = processes.sum(confusion.matrix)
    if processes.shard.world > 1:
        found = np.concatenate(processes.gather(np.array(list(each.values()), np.float64)))
        each = dict(enumerate(found.tolist()))
        ranked = sorted((iou, index) for index, iou in each.items() if not math.isnan(iou))[:worst]
        for _, index in ranked if processes.shard.leads else ():
            if index not in places:
                worst_pictures.offer(look(index, *samples[index])[1])
    warning = few_classes(confusion.matrix.sum(axis=1), dataset, f"its {count} pictures")
    if count and warning and processes.shard.leads:
        print(f"WARNING: {warning}" + ("" if confusion.matrix.any() else ": no score"), file=sys.stderr)
    scores = confusion.scores(metrics.absent, metrics.mean_over)
    if outlines is not None:
        outlines.counts = processes.sum(outlines.counts)
        scores = outlines.added_to(scores, metrics.mean_over)
    return Evaluation(scores, count, confusion.matrix, each, worst_pictures.kept)

"""Scoring a network on a data set: the part of the `eval` job, and of training, that no framework decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from core.backend import Predictor
from core.config import MetricsConfig
from core.data import Dataset
from core.data.pipeline import EvaluationSamples
from core.data.transforms import EvalTransform, resize_label
from core.errors import ConfigError
from core.evaluation.protocol import EvaluationProtocol
from core.evaluation.segmenting import label_map
from core.metrics import ConfusionMatrix, Scores

T = TypeVar("T")


@dataclass
class Evaluation:
    """Scores of a split, over `num_outputs` network outputs."""

    scores: Scores
    pictures: int


def progress(items: Iterable[T], title: str, total: int | None = None) -> Iterator[T]:
    """A progress bar, silent where the output is no terminal."""
    return iter(tqdm(items, desc=title, total=total, disable=None, leave=False, dynamic_ncols=True))


def _prefetched(samples: EvaluationSamples, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The samples in order, the next one read while the present one is in use."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        pending = reader.submit(samples.__getitem__, 0)
        for index in range(count):
            image, label = pending.result()
            if index + 1 < count:
                pending = reader.submit(samples.__getitem__, index + 1)
            yield image, label


def evaluate(
    dataset: Dataset,
    transform: EvalTransform,
    protocol: EvaluationProtocol,
    predictor: Predictor,
    num_outputs: int,
    *,
    metrics: MetricsConfig,
    limit: int | None = None,
    keep: Callable[[int, np.ndarray, np.ndarray], None] | None = None,
) -> Evaluation:
    """Predicts every picture of `dataset` and counts. `keep(index, label, prediction)` is called for each."""
    if num_outputs < dataset.num_classes:
        raise ConfigError(
            f"the network has {num_outputs} outputs, data set {dataset.name!r} has {dataset.num_classes} classes"
        )
    confusion = ConfusionMatrix(dataset.num_classes, dataset.ignore_index, num_outputs)
    count = len(dataset) if limit is None else min(limit, len(dataset))
    samples = _prefetched(EvaluationSamples(dataset, transform), count)
    for index, (image, label) in enumerate(progress(samples, f"eval {dataset.split}", count)):
        prediction = label_map(image, predictor, protocol)
        label = label.astype(np.uint8)
        confusion.update(resize_label(label, (prediction.shape[0], prediction.shape[1])), prediction)
        if keep is not None:
            keep(index, label, prediction)
    return Evaluation(confusion.scores(metrics.absent, metrics.mean_over), count)

"""Scoring a network on a data set: the part of the `eval` job, and of training, that no framework decides."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from tqdm import tqdm

import core.inference
from core.arch import Spec
from core.checkpoint import write_atomically
from core.cli import resolve
from core.config import Config, MetricsConfig
from core.data import Dataset
from core.data.pipeline import EvaluationSamples
from core.data.transforms import EvalTransform, resize_label
from core.errors import ConfigError, DataError
from core.metrics import ConfusionMatrix, Scores
from core.visualize import write_png
from weights_convert import load_weights

T = TypeVar("T")


class Predictor(Protocol):
    """A network in inference mode, of any framework."""

    def logits(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> the main head's logits resized to `size`, float32 [N, C, *size]."""

    def labels(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> the most likely class at `size`, uint8 [N, *size]; lowest index on ties."""


PredictorType = Callable[[Spec, dict[str, np.ndarray], str], Predictor]


@dataclass
class Evaluation:
    """Scores of a split, over `num_outputs` network outputs."""

    scores: Scores
    pictures: int


def progress(items: Iterable[T], title: str, total: int | None = None) -> Iterator[T]:
    """A progress bar, silent where the output is no terminal."""
    return iter(tqdm(items, desc=title, total=total, disable=None, leave=False, dynamic_ncols=True))


def label_map(image: np.ndarray, predictor: Predictor, protocol: core.inference.EvaluationProtocol) -> np.ndarray:
    """The predicted classes uint8 [H, W] of a normalised picture float32 [3, H, W], at the protocol's output size."""
    if protocol.is_plain:
        return predictor.labels(image[None], (image.shape[1], image.shape[2]))[0]
    return core.inference.segment(image, protocol, predictor.logits)


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
    protocol: core.inference.EvaluationProtocol,
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


def describe(config: Config, spec: Spec, weights: Path, dataset: Dataset, backend: str) -> dict[str, Any]:
    """All that decides the figures, for `--json`."""
    normalize = config.eval_transform().normalize
    return {
        "backend": backend,
        "weights": str(weights),
        "preset": config.model.preset,
        "overrides": config.model.overrides,
        "num_outputs": spec.num_classes,
        "dataset": dataset.name,
        "split": dataset.split,
        "normalize": {name: getattr(normalize, name) for name in normalize.__dataclass_fields__},
        "protocol": config.evaluation.to_dict(),
        "logits_align_corners": spec.align_corners,
        "ignore_index": dataset.ignore_index,
    }


def evaluation_job(arguments: argparse.Namespace, backend: str, predictor_type: PredictorType) -> None:
    """The `eval` command."""
    config, weights = resolve(arguments)
    dataset = config.open_dataset(arguments.split or config.data.val)
    spec = config.spec(dataset.num_classes).for_inference()
    loaded = load_weights(weights, spec, origin=arguments.origin)
    print(loaded.summary(), file=sys.stderr)
    predictor = predictor_type(spec, loaded.state, arguments.device)
    keep = None
    if arguments.save is not None:
        arguments.save.mkdir(parents=True, exist_ok=True)

        def keep(index: int, label: np.ndarray, prediction: np.ndarray) -> None:
            write_png(str(arguments.save / f"{Path(dataset.name_of(index)).stem}.png"), prediction)

    result = evaluate(
        dataset,
        config.eval_transform(),
        config.evaluation,
        predictor,
        spec.num_classes,
        metrics=config.metrics,
        limit=arguments.limit,
        keep=keep,
    )
    print(f"{dataset.name}/{dataset.split}, {result.pictures} pictures, {config.model.preset} in {backend}")
    print(result.scores.table(dataset.classes))
    if arguments.json is not None:
        report = {
            "metrics": result.scores.to_dict(dataset.classes),
            "pictures": result.pictures,
            "protocol": describe(config, spec, weights, dataset, backend),
        }
        text = json.dumps(report, indent=1) + "\n"
        write_atomically(arguments.json, lambda path: path.write_text(text, encoding="utf-8"))
    if result.pictures == 0:
        raise DataError(f"{dataset.name}/{dataset.split}: no picture was evaluated")

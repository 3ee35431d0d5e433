"""Class weights made of how often classes occur in the training set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from core.losses.pixels import IGNORE, Labels
from core.ranges import Range

Rule = Literal["median_frequency", "enet"]
ClassWeights = Rule | tuple[Annotated[float, Range(0)], ...]


@dataclass(frozen=True)
class ClassCounts:
    """Labelled pixels by class: `pixels` [C] of the class; `around` [C] of all classes in pictures that show it."""

    pixels: NDArray[np.int64]
    around: NDArray[np.int64]


def count_classes(labels: Iterable[Labels], num_classes: int) -> ClassCounts:
    """Of label maps of any shape, class numbers or 255."""
    pixels, around = np.zeros(num_classes, np.int64), np.zeros(num_classes, np.int64)
    for label in labels:
        found = np.bincount(label[label != IGNORE].ravel(), minlength=num_classes)
        if len(found) > num_classes:
            raise ConfigError(f"labels hold class {len(found) - 1}, the network has {num_classes}")
        pixels += found
        around += np.where(found > 0, found.sum(), 0)
    return ClassCounts(pixels, around)


def class_weights(rule: Rule, counts: ClassCounts) -> tuple[float, ...]:
    """One weight per class.

    median_frequency (arXiv:1411.4734, SegNet): the median of all f_c, over f_c: the class's share of the labelled
    pixels of the pictures that show it; 0 for a class that no picture shows, which the median leaves out.
    enet (arXiv:1606.02147): 1 / ln(1.02 + p_c), p_c: the class's share of all labelled pixels.
    """
    if not counts.pixels.any():
        raise ConfigError(f"class_weights: {rule} needs a training set with labelled pixels")
    if rule == "enet":
        return tuple((1 / np.log(1.02 + counts.pixels / counts.pixels.sum())).tolist())
    seen = counts.pixels > 0
    frequency = counts.pixels[seen] / counts.around[seen]
    weights = np.zeros(len(seen))
    weights[seen] = np.median(frequency) / frequency
    return tuple(weights.tolist())

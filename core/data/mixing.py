"""Two samples in one: which pixels of the other take the place of the first's."""

from __future__ import annotations

import numpy as np

from core.data.labels import IGNORE
from core.data.resampling import Size, Window

Sample = tuple[np.ndarray, np.ndarray]  # float32 [3, H, W], int64 [H, W]


def cut_and_mix(sample: Sample, other: Sample, rng: np.random.Generator) -> None:
    """CutMix: a rectangle of `other` into `sample`, in place."""
    rows, columns = mix_box((sample[1].shape[0], sample[1].shape[1]), rng)
    for array, source in zip(sample, other):
        array[..., rows, columns] = source[..., rows, columns]


def paste_classes(sample: Sample, other: Sample, rng: np.random.Generator) -> None:
    """ClassMix, copy-paste: half of the classes of `other` over `sample`, in place."""
    mask = mix_classes(other[1], rng)
    for array, source in zip(sample, other):
        np.copyto(array, source, where=mask)


def mix_box(crop: Size, rng: np.random.Generator) -> Window:
    """CutMix's rectangle: its share of the crop is uniform, its proportions are the crop's, its place is uniform."""
    share, *place = rng.random(3)
    sides = [max(1, round(float(side * share**0.5))) for side in crop]
    starts = [int(u * (side - length + 1)) for u, side, length in zip(place, crop, sides)]
    return slice(starts[0], starts[0] + sides[0]), slice(starts[1], starts[1] + sides[1])


def mix_classes(label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """ClassMix's mask, bool [H, W]: the pixels of half of the label map's classes (rounded up)."""
    classes = np.flatnonzero(np.bincount(label.ravel(), minlength=256)[:IGNORE])
    order = np.argsort(rng.random(IGNORE)[: len(classes)], kind="stable")
    chosen = np.zeros(256, bool)
    chosen[classes[order[: (len(classes) + 1) // 2]]] = True
    return chosen[label]

"""Which sample stands at which place of the training, and the random numbers that belong to it.

Everything is a function of the seed and the place alone: loaders, workers and interruptions change nothing. Only raw
output of PCG64 and `Generator.random` are used, whose streams numpy keeps from version to version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from core.ranges import Checked, Range, When

_SHUFFLE, _AUGMENT, _CLASSES, _PARTNER = 0, 1, 2, 3  # separate streams: order, transforms, drawn classes, mixing


@dataclass(frozen=True)
class Sampling(Checked):
    """Which samples an epoch shows.

    each: every sample once.
    rare_class: a class is drawn with a probability that falls with its share f of the labelled pixels,
        softmax((1 - f) / temperature), then one of the pictures that show it, and its crop shows it too (Hoyer et al.,
        DAFormer, CVPR 2022, section 3.3).
    class_uniform: of the epoch's samples `share` are drawn so, with all classes alike often; the rest are every sample
        once, as far as they go (Zhu et al., CVPR 2019, section 3.4: uniform sampling by classes).
    """

    kind: Literal["each", "rare_class", "class_uniform"] = "each"
    temperature: Annotated[float, Range(above=0), When("kind", "rare_class")] = 0.01
    share: Annotated[float, Range(above=0, high=1), When("kind", "class_uniform")] = 0.5


@dataclass(frozen=True)
class Visit:
    """A place in a run: which sample, in which epoch, for the how manyth time in it, and the class its crop shows."""

    epoch: int
    index: int
    repeat: int = 0
    focus: int | None = None


def epoch_order(size: int, seed: int, epoch: int) -> np.ndarray:
    """The order in which epoch number `epoch` visits `size` samples: a permutation, int64 [size]."""
    stream = np.random.PCG64(np.random.SeedSequence((seed, _SHUFFLE, epoch)))
    keys = np.asarray(stream.random_raw(size))
    return np.argsort(keys, kind="stable")


def sample_generator(seed: int, epoch: int, index: int, repeat: int = 0) -> np.random.Generator:
    """The random numbers with which sample `index` is transformed in epoch `epoch`."""
    return _generator(seed, _AUGMENT, epoch, index, *([repeat] if repeat else []))


def partner_generator(seed: int, visit: Visit, number: int) -> np.random.Generator:
    """The random numbers of the `number`th sample that is mixed into a visit's, its choice included."""
    return _generator(seed, _PARTNER, visit.epoch, visit.index, visit.repeat, number)


def _generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def epoch_visits(size: int, seed: int, epoch: int, sampling: Sampling, counts: np.ndarray | None) -> list[Visit]:
    """The samples of an epoch in order, `size` of them.

    counts: int64 [N, C], the pixels of each class in each sample; for the kinds that draw classes.
    """
    order = epoch_order(size, seed, epoch).tolist()
    if sampling.kind == "each" or counts is None or not counts.any():
        return [Visit(epoch, index) for index in order]
    rng = _generator(seed, _CLASSES, epoch)
    drawn = size if sampling.kind == "rare_class" else round(size * sampling.share)
    pairs: list[tuple[int, int | None]] = [
        (int(showing[int(rng.random() * len(showing))]), number)
        for number in _classes(counts, drawn, sampling, rng)
        for showing in [np.flatnonzero(counts[:, number])]
    ]
    pairs += [(index, None) for index in order[: size - drawn]]
    shuffled = [pairs[place] for place in np.argsort(rng.random(size), kind="stable")]
    return _numbered(epoch, shuffled)


def _classes(counts: np.ndarray, drawn: int, sampling: Sampling, rng: np.random.Generator) -> list[int]:
    """The classes to show, of those that any sample shows."""
    shown = np.flatnonzero(counts.sum(axis=0))
    if sampling.kind == "class_uniform":
        turns = [shown[np.argsort(rng.random(len(shown)), kind="stable")] for _ in range(-(-drawn // len(shown)))]
        return np.concatenate(turns)[:drawn].tolist() if turns else []
    shares = counts.sum(axis=0)[shown] / counts.sum()
    weights = np.exp((shares.min() - shares) / sampling.temperature)
    limits = np.cumsum(weights) / weights.sum()
    places = np.searchsorted(limits, rng.random(drawn), side="right")
    return shown[np.minimum(places, len(shown) - 1)].tolist()


def _numbered(epoch: int, pairs: Sequence[tuple[int, int | None]]) -> list[Visit]:
    seen: dict[int, int] = {}
    visits = []
    for index, focus in pairs:
        visits.append(Visit(epoch, index, seen.get(index, 0), focus))
        seen[index] = seen.get(index, 0) + 1
    return visits

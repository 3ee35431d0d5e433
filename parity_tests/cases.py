"""What the ladder is climbed with: small variants of all architectures and originals, weights, inputs, configurations.

Everything is made in numpy from fixed seeds, once, and handed to all backends.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.arch import PRESETS, Spec, build
from core.initialize import initial_state
from core.schema import to_plain

Arrays = dict[str, np.ndarray]
Size = tuple[int, int]

CLASSES = 11


@dataclass(frozen=True)
class Case:
    """A network to compare. `sizes`: (batch, height, width) of the inputs of the forward rung; `crop`: of training."""

    name: str
    preset: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    sizes: tuple[tuple[int, int, int], ...] = ((1, 64, 64), (2, 64, 96), (1, 73, 57))
    crop: Size = (64, 64)
    batch: int = 4
    thorough: bool = False  # stands for its architecture in the report's profiles
    long: bool = False  # one of the few that stand for all on the rungs that take long

    def spec(self) -> Spec:
        """Without dropout."""
        return build(self.preset, CLASSES, self.overrides).without_dropout()

    def request(self, dtype: str) -> dict[str, Any]:
        """The fields of a worker's `build`."""
        return {
            "preset": self.preset,
            "overrides": dict(self.overrides),
            "num_classes": CLASSES,
            "dtype": dtype,
            "dropout": False,
        }

    def config(self, changes: Mapping[str, Any] | None = None) -> str:
        """A small run on Roadscape as configuration text; `changes`: {"optimizer": {"lr": 0.1}, …}."""
        height, width = self.crop
        values: dict[str, dict[str, Any]] = {
            "model": {"preset": self.preset, "overrides": dict(self.overrides)},
            "data": {"options": {"size": [height + 8, width + 32], "train": 12, "val": 2}},
            "transform": {"crop": [height, width], "scale": [0.75, 1.5]},
            "train": {"batch_size": self.batch, "iterations": 200},
            "optimizer": {"lr": 0.02},
        }
        for section, entries in (changes or {}).items():
            values[section] = {**values.get(section, {}), **entries}
        return json.dumps(values)


# No side is a multiple of anything, where a network takes such pictures.
_SMALL = ((1, 64, 64), (2, 64, 96), (1, 73, 57))
_LARGE = ((1, 128, 128), (2, 97, 161))


def _sizes(spec: Spec, wanted: tuple[tuple[int, int, int], ...] = _SMALL) -> tuple[tuple[int, int, int], ...]:
    return tuple((batch, *spec.size_at_least(height, width)) for batch, height, width in wanted)


def _of_each_architecture(names: Iterable[str], prefer: Callable[[int], int]) -> set[str]:
    """The preset of each architecture with the most or, with `operator.neg`, the fewest parameters."""
    best: dict[str, str] = {}
    for name in names:
        rival = best.setdefault(PRESETS[name].spec.arch, name)
        if prefer(_COUNTS[name]) > prefer(_COUNTS[rival]):
            best[PRESETS[name].spec.arch] = name
    return set(best.values())


def narrow(preset: str) -> dict[str, Any]:
    """Overrides that make a published original narrow and shallow, with every switch of it as it is."""
    small = to_plain(PRESETS[preset].spec.narrow())
    del small["num_classes"]  # the data set's
    return small


def _switches(preset: str) -> str:
    """All that tells a network from another, but for widths and the number of blocks."""

    def without_depth(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without_depth(item) for key, item in value.items() if key != "depth"}
        return [without_depth(item) for item in value] if isinstance(value, list | tuple) else value

    layers = {re.sub(r"\.\d+(?=\.)", ".#", parameter.name) for parameter in PRESETS[preset].spec.narrow().parameters()}
    return json.dumps([without_depth(narrow(preset)), sorted(layers)], default=str)


def _distinct(names: Iterable[str]) -> list[str]:
    """The smallest preset of every set of switches."""
    found: dict[str, str] = {}
    for name in sorted(names, key=_COUNTS.__getitem__):
        found.setdefault(_switches(name), name)
    return sorted(found.values())


def _covering(names: Iterable[str]) -> set[str]:
    """A few presets, small ones first, that have every kind of parameter and of output among them."""
    features = {
        name: {p.kind for p in PRESETS[name].spec.parameters()} | {o.kind for o in PRESETS[name].spec.outputs()}
        for name in names
    }
    chosen: set[str] = set()
    lacking = set[str]().union(*features.values())
    while lacking:
        best = max(sorted(features), key=lambda name: (len(features[name] & lacking), -_COUNTS[name]))
        chosen.add(best)
        lacking -= features[best]
    return chosen


_COUNTS = {name: preset.spec.parameter_count() for name, preset in PRESETS.items()}
_OWN = sorted(name for name in PRESETS if name.endswith("_tiny"))
_PUBLISHED = sorted(set(PRESETS) - set(_OWN))
_DISTINCT = _distinct(_PUBLISHED)
_THOROUGH = _of_each_architecture(_OWN, abs) | _of_each_architecture(_DISTINCT, abs)
_LONG = _covering(_OWN)
_ARCHS = {PRESETS[name].spec.arch for name in _LONG}
_LONG |= _covering(name for name in _OWN if PRESETS[name].spec.arch not in _ARCHS)  # and again by others
_MOST = 60_000_000  # parameters of a network that the report runs as it is


def small_case(name: str) -> Case:
    """A preset as it is, at small sizes."""
    spec = PRESETS[name].spec
    return Case(
        name, name, {}, _sizes(spec), spec.size_at_least(64, 64), thorough=name in _THOROUGH, long=name in _LONG
    )


def _narrow_case(name: str) -> Case:
    spec = PRESETS[name].spec.narrow()
    crop = spec.size_at_least(64, 64)
    long = name in _THOROUGH and spec.arch in {PRESETS[one].spec.arch for one in _LONG}
    return Case(f"{name}, narrow", name, narrow(name), _sizes(spec), crop, thorough=name in _THOROUGH, long=long)


TINY = tuple(map(small_case, _OWN))
# One narrow network for every original that differs in more than width and depth.
NARROW = tuple(map(_narrow_case, _DISTINCT))
# Published networks as they are, the smallest of each architecture, for the report alone.
FULL = tuple(
    Case(name, name, {}, _sizes(PRESETS[name].spec, _LARGE), PRESETS[name].spec.size_at_least(128, 128), batch=2)
    for name in sorted(_of_each_architecture(_PUBLISHED, operator.neg))
    if _COUNTS[name] <= _MOST
)


def lively_state(spec: Spec, seed: int = 0) -> Arrays:
    """Initial weights, but with norms, statistics, slopes and biases away from 0 and 1, so that each one matters."""
    rng = np.random.default_rng([seed, 1])
    state = initial_state(spec.parameters(), seed)
    for parameter in spec.parameters():
        shape = parameter.shape
        if parameter.kind in ("norm_scale", "running_var"):
            value = rng.uniform(0.6, 1.4, shape)
        elif parameter.kind in ("norm_bias", "running_mean", "bias"):
            value = rng.normal(0, 0.1, shape)
        elif parameter.kind == "prelu":
            value = rng.uniform(0.1, 0.4, shape)
        elif parameter.kind == "scale":
            value = rng.normal(0.5, 0.2, shape)
        else:
            continue
        state[parameter.name] = value.astype(np.float32)
    return state


def pictures(batch: int, size: Size, seed: int = 0) -> np.ndarray:
    """Normalised pictures float32 [N, 3, H, W]: smooth patches and noise."""
    rng = np.random.default_rng([seed, batch, *size])
    coarse = rng.normal(size=(batch, 3, -(-size[0] // 8), -(-size[1] // 8)))
    smooth = np.kron(coarse, np.ones((8, 8)))[:, :, : size[0], : size[1]]
    return (smooth + 0.3 * rng.normal(size=smooth.shape)).astype(np.float32)


def label_maps(batch: int, size: Size, seed: int = 0, classes: int = CLASSES) -> np.ndarray:
    """int64 [N, H, W]: patches of classes, about a seventh of the pixels ignored."""
    rng = np.random.default_rng([seed, batch, *size, 2])
    coarse = rng.integers(0, classes, (batch, -(-size[0] // 8), -(-size[1] // 8)))
    labels = np.kron(coarse, np.ones((8, 8), np.int64))[:, : size[0], : size[1]]
    labels[rng.random(labels.shape) < 1 / 7] = 255
    return labels

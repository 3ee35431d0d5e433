"""What the ladder is climbed with: small variants of all architectures and originals, weights, inputs, configurations.

Everything is made in numpy from fixed seeds, once, and handed to all backends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    thorough: bool = False  # stands for its architecture on the rungs that take long

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


_WANTED = ((1, 64, 64), (2, 64, 96), (1, 73, 57))  # no side a multiple of anything, where a network takes such pictures


def _sizes(spec: Spec) -> tuple[tuple[int, int, int], ...]:
    return tuple((batch, *spec.size_at_least(height, width)) for batch, height, width in _WANTED)


def _tiny() -> tuple[Case, ...]:
    """The small presets; the largest of an architecture stands for it on the rungs that take long."""
    specs = {name: preset.spec for name, preset in sorted(PRESETS.items()) if name.endswith("_tiny")}
    largest: dict[str, str] = {}
    for name, spec in specs.items():
        if spec.parameter_count() > specs[largest.setdefault(spec.arch, name)].parameter_count():
            largest[spec.arch] = name
    return tuple(
        Case(name, name, sizes=_sizes(spec), thorough=name == largest[spec.arch]) for name, spec in specs.items()
    )


TINY = _tiny()


def narrow(preset: str) -> dict[str, Any]:
    """Overrides that make a published original narrow and shallow, with every switch of it as it is."""
    small = to_plain(PRESETS[preset].spec.narrow())
    del small["num_classes"]  # the data set's
    return small


def _narrow() -> tuple[Case, ...]:
    """One narrow network for every original that differs in more than width and depth: the first that is made so."""
    cases: dict[Spec, Case] = {}
    for name, preset in PRESETS.items():
        spec = preset.spec.narrow()
        if not name.endswith("_tiny") and spec not in cases:
            cases[spec] = Case(
                f"{name}, narrow", name, narrow(name), sizes=_sizes(spec), crop=spec.size_at_least(64, 64)
            )
    return tuple(cases.values())


NARROW = _narrow()
# Published networks as they are, for the report alone.
FULL = tuple(
    Case(name, name, sizes=sizes, crop=(128, 128), batch=2)
    for name, sizes in {
        "pspnet_resnet18_mxnetseg": ((1, 128, 128), (2, 96, 160)),
        "pspnet_resnet50_gald": ((1, 129, 129),),
        "dgcnet_resnet50_gald": ((1, 129, 129),),
        "espnet_p2_q8": ((1, 128, 128), (2, 96, 160)),
        "fast_scnn_aux": ((1, 128, 128), (2, 97, 161)),
    }.items()
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


def one_ulp(state: Mapping[str, np.ndarray], seed: int) -> Arrays:
    """Every value moved to one of its float32 neighbours, up or down at random; zeros and running statistics stay."""
    rng = np.random.default_rng([seed, 3])
    moved = {}
    for name, array in state.items():
        up = np.where(rng.random(array.shape) < 0.5, np.float32(np.inf), np.float32(-np.inf))
        still = (array == 0) | name.endswith(("running_mean", "running_var"))
        moved[name] = np.where(still, array, np.nextafter(array, up, dtype=np.float32)).astype(np.float32)
    return moved

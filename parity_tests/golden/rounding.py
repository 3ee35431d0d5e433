"""How far a correct implementation may be from a golden file: by rounding alone, and how much that is, is measured.

Files recorded in float64 are met in float64 to FLOAT64. In float32 two computations of one network differ by rounding,
and how far that is amplified is a property of the network, the input and the mode: each file's notes say it of the
original (another order of summation, float32 for float64), output by output. Where they say nothing, or too little for
what was found, it is twice our own network's float32 against its own float64 on that very input: twice, since the
recording rounds as well as we do. FACTOR times the larger is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from parity_tests.golden.files import MODES, Golden
from parity_tests.tolerances import FACTOR, Tolerance

FLOAT64 = Tolerance(1e-5, "recorded in float64, stored as float32")

_NUMBER = r"\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_FIGURES = rf"(\[[^\]]*\]|{_NUMBER})"
# "eval [6e-07], train [5e-07, 2e-07]" or "eval 2.0e-03, train 1.2e-03"
_ROUNDING = re.compile(rf"eval {_FIGURES}, train {_FIGURES}")
_EPSILON = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Rounding:
    """A relative difference of one output that rounding alone makes, and where it was measured."""

    size: float
    where: str

    @property
    def tolerance(self) -> Tolerance:
        return Tolerance(FACTOR * max(self.size, _EPSILON), f"{FACTOR:g} x {self.where}")


def noted(golden: Golden, mode: str) -> list[Rounding | None]:
    """For each output what the file's notes say of the original's own rounding; None where they say nothing."""
    count = len(golden.outputs[mode])
    figures = [0.0] * count
    for found in _ROUNDING.findall(golden.notes):
        values = [float(number) for number in re.findall(_NUMBER, found[MODES.index(mode)])]
        values = values * count if len(values) == 1 else values
        if len(values) == count:
            figures = [max(pair) for pair in zip(figures, values)]
    return [Rounding(figure, f"the original's own rounding, {figure:.1e}") if figure else None for figure in figures]


def measured(single: Sequence[np.ndarray | None], double: Sequence[np.ndarray | None], backend: str) -> list[Rounding]:
    """For each output twice how far a backend's float32 is from its own float64."""
    found = []
    for ours, exact in zip(single, double):
        figure = 0.0 if ours is None or exact is None else distance(ours, exact)
        found.append(Rounding(2 * figure, f"2 x {backend}'s own float32 against its float64, {figure:.1e}"))
    return found


def distance(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference over the largest value of `theirs`."""
    scale = float(np.max(np.abs(theirs)))
    difference = float(np.max(np.abs(ours.astype(np.float64) - theirs.astype(np.float64))))
    return difference / scale if scale else np.inf

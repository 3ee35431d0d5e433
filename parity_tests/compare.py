"""The comparer: two sets of named arrays, in numpy. It looks at maxima, never at means, and for the rest first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Arrays = Mapping[str, np.ndarray]

EXACT = 17.0  # the digits shown for arrays that are equal: more than a float64 has


@dataclass(frozen=True)
class Difference:
    """How one array differs from its reference.

    problem: empty where the two can be compared; else what is wrong (missing, shape, dtype, values that are not
    finite). relative: the largest |difference| over the largest |reference|; infinite where there is a problem.
    """

    name: str
    problem: str
    absolute: float
    relative: float

    @property
    def digits(self) -> float:
        return digits(self.relative)

    def __str__(self) -> str:
        if self.problem:
            return f"{self.name}: {self.problem}"
        return f"{self.name}: largest difference {self.absolute:.2e}, relative {self.relative:.2e}"


def digits(relative: float) -> float:
    """Digits of agreement: -log10 of the relative difference; EXACT for 0, 0 for 1 and more."""
    if relative == 0:
        return EXACT
    return max(0.0, min(EXACT, -math.log10(relative))) if math.isfinite(relative) else 0.0


def compare(reference: Arrays, got: Arrays, *, floor: float = 0.0) -> list[Difference]:
    """One Difference per name of either side, in the order of the reference.

    floor: a scale is at least this share of the largest |value| in all of `reference`. Gradients need it: that of a
    bias in front of a batch norm is 0 but for rounding, and a share of nothing says nothing.
    """
    largest = max((_largest(array) for array in reference.values()), default=0.0)
    found = [_compare(name, array, got.get(name), floor * largest) for name, array in reference.items()]
    extra = [name for name in got if name not in reference]
    return found + [Difference(name, "is not in the reference", math.inf, math.inf) for name in extra]


def _compare(name: str, reference: np.ndarray, got: np.ndarray | None, least_scale: float) -> Difference:
    problem = ""
    if got is None:
        problem = "is missing"
    elif reference.shape != got.shape:
        problem = f"has shape {list(got.shape)}, expected {list(reference.shape)}"
    elif reference.dtype != got.dtype:
        problem = f"has dtype {got.dtype}, expected {reference.dtype}"
    elif not np.isfinite(reference).all():
        problem = "the reference holds values that are not finite"
    elif not np.isfinite(got).all():
        problem = f"holds {int((~np.isfinite(got)).sum())} values that are not finite"
    if problem or got is None:
        return Difference(name, problem, math.inf, math.inf)
    if reference.size == 0:
        return Difference(name, "", 0.0, 0.0)
    absolute = float(np.abs(got.astype(np.float64) - reference.astype(np.float64)).max())
    if absolute == 0:
        return Difference(name, "", 0.0, 0.0)
    scale = max(_largest(reference), least_scale)
    return Difference(name, "", absolute, absolute / scale if scale else math.inf)


def _largest(array: np.ndarray) -> float:
    return float(np.abs(array).max()) if array.size else 0.0


def worst(differences: list[Difference]) -> Difference:
    """The largest relative difference; of structural problems the first."""
    return max(differences, key=lambda difference: difference.relative)


def first_beyond(differences: list[Difference], tolerance: float) -> Difference | None:
    """The first, in order, that exceeds the tolerance."""
    return next((difference for difference in differences if not difference.relative <= tolerance), None)

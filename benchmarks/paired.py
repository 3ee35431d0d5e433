"""Are paired runs told apart by anything but chance? Exact tests on small numbers of pairs, and what they could see."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

LARGEST = 18  # pairs for which all sign patterns are counted: 2**18


def sign_flip_test(differences: Sequence[float]) -> float:
    """The two-sided p-value of Fisher's exact paired permutation test (The Design of Experiments, 1935, section 21).

    If the two runs of a pair are exchangeable, each difference could as well have the other sign: p is the share of
    all sign patterns whose mean is at least as far from 0 as the one found. Raises ValueError for no pair, or more than
    18.
    """
    return float(_p_values(np.asarray(differences, np.float64)[None])[0])


def _p_values(rows: np.ndarray) -> np.ndarray:
    """`sign_flip_test` of each row of differences [trials, pairs]."""
    pairs = rows.shape[1]
    if not 1 <= pairs <= LARGEST:
        raise ValueError(f"{pairs} pairs; the exact test takes 1 to {LARGEST}")
    sums = np.abs(_signs(pairs) @ rows.T)  # [2**pairs, trials]
    return np.mean(sums >= np.abs(rows.sum(axis=1)) * (1 - 1e-12), axis=0)


@lru_cache(maxsize=4)
def _signs(pairs: int) -> np.ndarray:
    """Every pattern of signs, float64 [2**pairs, pairs]."""
    bits = np.arange(1 << pairs)[:, None] >> np.arange(pairs) & 1
    return 1.0 - 2.0 * bits


def power(shift: float, deviation: float, pairs: int, alpha: float = 0.05, trials: int = 400, seed: int = 0) -> float:
    """How often the test at level `alpha` sees a true `shift` between pairs whose differences deviate by `deviation`.

    Simulated with normal differences; `alpha` is below what a sign pattern's share can be for fewer than 6 pairs, then
    the power is 0.
    """
    rng = np.random.default_rng(seed)
    return float(np.mean(_p_values(rng.normal(shift, deviation, (trials, pairs))) <= alpha))


def detectable(deviation: float, pairs: int, wanted: float = 0.8, alpha: float = 0.05) -> float:
    """The least shift that the test sees with power `wanted`; infinite where no shift is seen by so few pairs."""
    if 2 / 2**pairs > alpha:
        return float("inf")
    if deviation == 0:
        return 0.0
    low, high = 0.0, 8 * deviation
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle, deviation, pairs, alpha) >= wanted else (middle, high)
    return high


def runs_needed(difference: float, deviation: float, wanted: float = 0.8, alpha: float = 0.05) -> int:
    """Independent runs a side until a true `difference` of means is seen with power `wanted` (normal approximation).

    deviation: of a run from its own kind's mean.
    """
    normal = NormalDist()
    quantiles = normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(wanted)
    return max(2, int(np.ceil(2 * (quantiles * deviation / difference) ** 2)))


@dataclass(frozen=True)
class Comparison:
    """Two frameworks' runs from the same seeds: differences in points of mIoU."""

    first: str
    other: str
    differences: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.differences))

    @property
    def deviation(self) -> float:
        return float(np.std(self.differences, ddof=1))

    @property
    def p(self) -> float:
        return sign_flip_test(self.differences)


def compare(scores: dict[str, Sequence[float]]) -> list[Comparison]:
    """Every pair of frameworks, from framework -> score of each seed in one order."""
    return [
        Comparison(a, b, tuple(y - x for x, y in zip(scores[a], scores[b])))
        for a, b in itertools.combinations(scores, 2)
    ]

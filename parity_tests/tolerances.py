"""How far two correct implementations of a network may differ: the largest |difference| over the largest |reference|.

Two computations of one network differ by rounding alone, and how much that is amplified is a property of the network.
So it is measured, and an agreement asked for within FACTOR times it: for golden files see parity_tests.golden.rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

FACTOR = 5.0


@dataclass(frozen=True)
class Tolerance:
    """The largest relative difference that still counts as agreement, and why it is that."""

    limit: float
    reason: str


EXACT = Tolerance(0.0, "nothing is computed")

_ROUNDING = "float64 rounding, and epsilons that Paddle keeps as float32"
_SINGLE = "float32 rounding in another order of summation"
_CONSTANTS = (
    "Paddle and MXNet keep momentum, decay and rate as float32: 1e-7 of them a step, of values that partly cancel"
)

# (rung, quantity) of the ladder. A quantity that is not listed is to be equal.
LADDER: dict[tuple[str, str], Tolerance] = {
    ("2 forward", "logits, float64"): Tolerance(1e-9, _ROUNDING),
    ("2 forward", "logits, float32"): Tolerance(1e-5, _SINGLE),
    ("3 losses", "values"): Tolerance(1e-12, "float64 rounding"),
    ("3 losses", "gradients"): Tolerance(1e-12, "float64 rounding"),
    ("4 backward", "losses, float64"): Tolerance(1e-9, _ROUNDING),
    ("4 backward", "gradients, float64"): Tolerance(1e-7, _ROUNDING + ", amplified by the batch norms passed"),
    ("4 backward", "statistics, float64"): Tolerance(1e-6, "Paddle and MXNet keep batch norm's momentum as float32"),
    ("4 backward", "losses, float32"): Tolerance(1e-5, _SINGLE),
    ("4 backward", "gradients, float32"): Tolerance(1e-2, _SINGLE + ", amplified by the batch norms passed"),
    ("4 backward", "statistics, float32"): Tolerance(1e-4, _SINGLE + ", relative to means near 0"),
    **{
        ("5 optimizers", recipe): Tolerance(3e-6, _CONSTANTS)
        for recipe in (
            "SGD",
            "SGD, Nesterov, clipped",
            "SGD without momentum",
            "SGD, one cycle, groups",
            "Adam",
            "AdamW",
        )
    },
    ("7 labels", "label maps"): Tolerance(1e-3, "share of the pixels, each at a near tie of two logits"),
    ("7 labels", "windows, scales, flips"): Tolerance(1e-3, "share of the pixels, at near ties"),
    ("7 labels", "confusion matrix"): Tolerance(1e-3, "share of the pixels, at near ties"),
    **{
        ("10 processes", f"{what}, {world}"): Tolerance(1e-9, "float64 rounding in another order of summation")
        for what in ("losses", "weights")
        for world in ("1 process", "2 processes", "3 processes")
    },
    ("8 training", "losses, float64"): Tolerance(1e-8, "float64 rounding grown over 20 iterations"),
    # The most found is 13 (ESPNet-C: a kink crossed in one run and in none of the perturbed ones), elsewhere 1.3.
    ("8 training", "losses, float32"): Tolerance(
        30.0, "times what one ulp in the initial weights does, at most, to one framework"
    ),
    **{
        ("9 checkpoints", f"{optimizer} losses afterwards"): Tolerance(
            1e-3, _SINGLE + ", raised to 1e-4 within three iterations by Fast-SCNN's batch norms over four values"
        )
        for optimizer in ("SGD", "AdamW")
    },
}
# (rung, quantity, case): where a framework cannot do what the others do.
LADDER_EXCEPTIONS: dict[tuple[str, str, str], Tolerance] = {
    ("2 forward", "logits, float64", "setr_naive_paddleseg, narrow"): Tolerance(
        1e-7, "Paddle's bicubic resize of the position table works out where to sample in float32"
    ),
}

NEAR_TIE = Tolerance(1e-4, "of the largest logit: two logits this close may swap places by float32 rounding")
LEAST_DIVERGENCE = Tolerance(4e-7, "a few float32 roundings: a loss is not known better than that")


KINK = 0.3  # of the largest gradient: what a ReLU on the other side of 0 was seen to do within one framework


def measured_tolerance(tolerance: Tolerance, own: Sequence[float], *, kinks: bool = False) -> Tolerance:
    """A float32 tolerance for a network that amplifies rounding more than most.

    own: how far each framework's float32 is from its own float64 (rounding flips ReLUs in 50 layers, means lie near 0).
    Two frameworks may differ by FACTOR times the middle one of them, or the lower of the middle two: one framework that
    is wrong in float32 alone does not widen it. With `kinks` (gradients) one framework may be off alone, where a
    rounding turns a ReLU over in it: by twice what its own float64 says, at most KINK.
    """
    known = sorted(figure for figure in own if math.isfinite(figure))
    if not known:
        return tolerance
    middle = known[(len(known) - 1) // 2]
    alone = min(2 * known[-1], KINK) if kinks else 0.0
    if max(FACTOR * middle, alone) <= tolerance.limit:
        return tolerance
    if alone > FACTOR * middle:
        return Tolerance(alone, f"2 x the most that a framework's float32 is from its own float64, {known[-1]:.1e}")
    return Tolerance(FACTOR * middle, f"{FACTOR:g} x a framework's own float32 against its float64, {middle:.1e}")


def ladder_tolerance(rung: str, quantity: str, case: str) -> Tolerance:
    """The tolerance of one comparison of the ladder."""
    return LADDER_EXCEPTIONS.get((rung, quantity, case), LADDER.get((rung, quantity), EXACT))

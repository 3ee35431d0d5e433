"""Schedules against their formulas, written out."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from core.errors import ConfigError
from core.schedule import Schedule, ScheduleConfig


def course(policy: str, base_lr: float, iterations: int, **fields: Any) -> Schedule:
    """A schedule, its configuration's fields by name."""
    return Schedule(ScheduleConfig(policy, **fields), base_lr, iterations)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (course("constant", 0.1, 10), {0: 0.1, 9: 0.1, 50: 0.1}),
        (course("poly", 0.01, 100), {0: 0.01, 50: 0.01 * 0.5**0.9, 99: 0.01 * 0.01**0.9, 100: 0.0, 500: 0.0}),
        (course("poly", 0.01, 100, end_lr=1e-4, power=1.0), {0: 0.01, 50: 0.00505, 100: 1e-4, 200: 1e-4}),
        # MXNetSeg: (1 - T/(N-1)) ** power, 0 in the last iteration
        (course("poly", 0.01, 101, last_is_end=True), {0: 0.01, 25: 0.01 * 0.75**0.9, 100: 0.0}),
        (course("cosine", 0.2, 8, end_lr=0.1), {0: 0.2, 2: 0.1 + 0.05 * (1 + math.sqrt(0.5)), 4: 0.15, 8: 0.1}),
        (course("cosine", 0.2, 9, last_is_end=True), {0: 0.2, 4: 0.1, 8: 0.0}),
        (course("step", 1.0, 9, milestones=(3, 6), gamma=0.5), {0: 1.0, 2: 1.0, 3: 0.5, 5: 0.5, 6: 0.25, 8: 0.25}),
        (
            course("constant", 1.0, 9, warmup="linear", warmup_iterations=4, warmup_ratio=0.2),
            {0: 0.2, 1: 0.4, 2: 0.6, 3: 0.8, 4: 1.0, 8: 1.0},
        ),
        (
            course("constant", 1.0, 9, warmup="constant", warmup_iterations=4, warmup_ratio=0.2),
            {0: 0.2, 3: 0.2, 4: 1.0},
        ),
        # DABNet: poly to 1e-4 with 1000 iterations of warm-up from a tenth, not shifting the schedule
        (
            course("poly", 0.025, 80_000, end_lr=1e-4, warmup_iterations=1000, warmup_ratio=0.1),
            {
                0: 0.0025,
                500: (1e-4 + 0.0249 * (1 - 500 / 80_000) ** 0.9) * 0.55,
                1000: 1e-4 + 0.0249 * (1 - 1000 / 80_000) ** 0.9,
                80_000: 1e-4,
            },
        ),
        (course("poly", 0.1, 1, last_is_end=True), {0: 0.1}),
    ],
)
def test_formulas(schedule: Schedule, expected: dict[int, float]) -> None:
    for iteration, rate in expected.items():
        assert schedule(iteration) == pytest.approx(rate, rel=1e-12, abs=1e-15), iteration


def test_poly_and_cosine_fall_all_the_way() -> None:
    for policy in ("poly", "cosine"):
        rates = [course(policy, 0.1, 50)(iteration) for iteration in range(50)]
        assert all(a > b > 0 for a, b in itertools.pairwise(rates))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": "linear"}, "policy"),
        ({"iterations": 0}, "iterations"),
        ({"base_lr": 0.0}, "base_lr"),
        ({"base_lr": math.nan}, "base_lr"),
        ({"end_lr": 0.2}, "end_lr"),
        ({"power": -1.0}, "power"),
        ({"policy": "step"}, "milestones"),
        ({"policy": "step", "milestones": (5, 3)}, "milestones"),
        ({"warmup": "exponential"}, "warmup"),
        ({"warmup_iterations": 11}, "warmup_iterations"),
        ({"warmup_ratio": 0.0}, "warmup_ratio"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        course(**{"policy": "poly", "base_lr": 0.1, "iterations": 10, **changes})


def test_negative_iteration_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        course("poly", 0.1, 10)(-1)


def test_one_cycle_as_pytorch_has_it() -> None:
    """OneCycleLR(max_lr=0.1, total_steps=20, pct_start=0.3, div_factor=25, final_div_factor=1e4), written out."""
    schedule = course("one_cycle", 0.1, 20, end_lr=0.1 / 25 / 1e4)
    expected = [0.1 + (0.004 - 0.1) * (1 + math.cos(math.pi * t / 5)) / 2 for t in range(5)]
    expected += [4e-7 + (0.1 - 4e-7) * (1 + math.cos(math.pi * (t - 5) / 14)) / 2 for t in range(5, 20)]
    assert [schedule(t) for t in range(20)] == pytest.approx(expected)
    assert schedule(5) == pytest.approx(0.1)
    assert schedule(50) == pytest.approx(4e-7)
    assert course("one_cycle", 0.1, 1)(0) == 0.1 * 0  # a run of one iteration is at its end

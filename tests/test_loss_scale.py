"""The loss scale: halved by what overflows, doubled after many good steps, taken up from a checkpoint."""

from __future__ import annotations

import math

import pytest

from core.loss_scale import LossScale


def test_the_scale_follows_what_overflows() -> None:
    scale = LossScale()
    first = scale.value
    assert not scale.update(math.inf)
    assert not scale.update(math.nan)
    assert (scale.value, scale.skipped) == (first / 4, 2)
    assert all(scale.update(1.0) for _ in range(LossScale.INTERVAL))
    assert scale.value == first / 2
    other = LossScale()
    other.set_state(scale.get_state())
    assert vars(other) == vars(scale)


@pytest.mark.parametrize(("count", "largest", "expected"), [(100, math.inf, 1.0), (60_000, 1.0, LossScale.LARGEST)])
def test_the_scale_has_bounds(count: int, largest: float, expected: float) -> None:
    scale = LossScale()
    for _ in range(count):
        scale.update(largest)
    assert scale.value == expected

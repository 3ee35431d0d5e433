"""The comparer, and what happens where a backend is missing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.process import BackendMissing
from parity_tests import conftest
from parity_tests.client import Backend
from parity_tests.compare import EXACT, compare, digits, first_beyond, worst
from parity_tests.ladder import Fleet
from parity_tests.tolerances import FACTOR, Tolerance, measured_tolerance

ONES = np.ones((2, 3))


def test_equal_arrays_are_exact() -> None:
    assert worst(compare({"a": ONES}, {"a": ONES.copy()})).digits == EXACT


@pytest.mark.parametrize(
    ("got", "problem"),
    [
        ({}, "is missing"),
        ({"a": np.ones((3, 2))}, "has shape [3, 2]"),
        ({"a": ONES.astype(np.float32)}, "has dtype float32"),
        ({"a": np.full((2, 3), np.nan)}, "6 values that are not finite"),
        ({"a": ONES, "b": ONES}, "is not in the reference"),
    ],
)
def test_everything_but_values_is_infinitely_wrong(got: dict[str, np.ndarray], problem: str) -> None:
    found = worst(compare({"a": ONES}, got))
    assert problem in str(found)
    assert found.relative == math.inf
    assert found.digits == 0


def test_one_value_in_a_million_counts() -> None:
    """A mean would not see it."""
    reference = np.full(10**6, 2.0)
    got = reference.copy()
    got[123_456] += 2e-3
    found = compare({"a": reference}, {"a": got})[0]
    assert found.relative == pytest.approx(1e-3)
    assert found.digits == pytest.approx(3)


def test_a_floor_gives_tiny_arrays_a_scale() -> None:
    reference = {"large": np.ones(3), "zero but for rounding": np.full(3, 1e-17)}
    got = {"large": np.ones(3), "zero but for rounding": np.full(3, -1e-17)}
    assert worst(compare(reference, got)).relative == 2.0
    assert worst(compare(reference, got, floor=1e-3)).relative == pytest.approx(2e-14)


def test_the_first_beyond_the_tolerance_is_named() -> None:
    reference = {name: np.ones(2) for name in "abc"}
    got = {"a": np.ones(2), "b": np.ones(2) + 1e-6, "c": np.ones(2) + 1.0}
    first = first_beyond(compare(reference, got), 1e-7)
    assert first is not None
    assert first.name == "b"
    assert digits(0.0) == EXACT


def test_nan_is_beyond_every_tolerance() -> None:
    nothing = {"a": np.array([np.nan])}
    assert first_beyond(compare(nothing, nothing), 1e9) is not None


def test_a_missing_backend_is_a_skip_and_in_ci_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with Fleet(("absent",)) as fleet:
        assert fleet.present() == []
        with pytest.raises(BackendMissing, match=r"backends/absent/parity\.py"):
            Backend("absent").__enter__()
        monkeypatch.delenv("CI", raising=False)
        with pytest.raises(pytest.skip.Exception, match=conftest.NOT_SHOWN):
            conftest.require(fleet, "absent")
        monkeypatch.setenv("CI", "true")
        with pytest.raises(pytest.fail.Exception, match="CI is set"):
            conftest.require(fleet, "absent")


def test_a_float32_tolerance_grows_with_what_the_frameworks_themselves_lose() -> None:
    base = Tolerance(1e-4, "base")
    assert measured_tolerance(base, [1e-6, 1e-5, 1.9e-5]) is base
    assert measured_tolerance(base, []) is base
    assert measured_tolerance(base, [math.inf]) is base
    wider = measured_tolerance(base, [3e-3, 1e-3, 0.5])
    assert wider.limit == pytest.approx(FACTOR * 3e-3)
    assert "float64" in wider.reason


def test_one_framework_that_is_wrong_in_float32_does_not_widen_its_own_tolerance() -> None:
    base = Tolerance(1e-4, "base")
    assert measured_tolerance(base, [1e-6, 0.5]) is base
    assert measured_tolerance(base, [1e-6, 0.5, 2e-6]) is base

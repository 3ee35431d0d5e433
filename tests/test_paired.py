"""The exact paired test, its power, and the page of docs/chaos.md."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.chaos_page import write_page
from benchmarks.paired import Comparison, compare, detectable, power, runs_needed, sign_flip_test
from core.errors import ConfigError

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_exact_test_counts_sign_patterns() -> None:
    assert sign_flip_test([1, 1, 1, 1, 1, 1]) == 2 / 64  # only all alike are as far
    assert sign_flip_test([1, -1]) == 1
    assert sign_flip_test([3, 1]) == 0.5  # +4 and -4 of +4, +2, -2, -4
    assert sign_flip_test([0, 0, 0]) == 1
    with pytest.raises(ValueError, match="0 pairs"):
        sign_flip_test([])
    with pytest.raises(ValueError, match="19 pairs"):
        sign_flip_test([1.0] * 19)


def test_without_a_difference_it_errs_as_often_as_it_says() -> None:
    assert power(0.0, 1.0, pairs=8, trials=400) == pytest.approx(0.05, abs=0.04)  # 4 deviations of 400 trials


def test_what_it_can_see() -> None:
    assert power(5.0, 1.0, pairs=8) == 1
    assert power(5.0, 1.0, pairs=5) == 0  # 2 of 32 patterns are more than 5 %
    assert detectable(1.0, 5) == float("inf")
    least = detectable(1.0, 10)
    # The paired t test of 10 pairs sees 1.0 deviation with power 0.8 (Cohen 1988, table 2.4.1: 0.996).
    assert least == pytest.approx(1.0, abs=0.15)
    assert detectable(3.0, 10) == pytest.approx(3 * least, rel=1e-6)
    assert detectable(0.0, 10) == 0
    assert runs_needed(1.0, 1.0) == 16  # 2 (1.96 + 0.84)^2 = 15.7
    assert runs_needed(0.3, 1.0) == 175


def test_pairs_are_all_frameworks() -> None:
    found = compare({"a": [1.0, 2.0], "b": [2.0, 4.0], "c": [1.0, 2.0]})
    assert found[0] == Comparison("a", "b", (1.0, 2.0))
    assert [(c.first, c.other, c.mean) for c in found] == [("a", "b", 1.5), ("a", "c", 0.0), ("b", "c", -1.5)]


@pytest.fixture(scope="module")
def measured() -> dict:
    path = DOCS / "chaos.json"
    assert path.exists(), "python -m benchmarks.chaos writes it"
    found: dict = json.loads(path.read_text())
    return found


def test_the_page_shows_what_was_measured(measured: dict, tmp_path: Path) -> None:
    (tmp_path / "chaos.md").write_text((DOCS / "chaos.md").read_text())
    write_page(tmp_path, measured)
    for path in tmp_path.iterdir():
        assert path.read_text() == (DOCS / path.name).read_text(), path.name
    (tmp_path / "chaos.md").write_text("no markers")
    with pytest.raises(ConfigError, match="has no markers"):
        write_page(tmp_path, measured)


def test_paired_runs_of_three_frameworks_are_not_told_apart(measured: dict) -> None:
    """Fisher's exact paired permutation test, Bonferroni's level over the pairs of frameworks; power on the page."""
    pairs = compare(measured["scores"])
    assert len(measured["scores"]) == 4  # three frameworks, and the first beside itself
    assert len(pairs) == 6
    assert all(len(pair.differences) == measured["seeds"] >= 6 for pair in pairs)
    assert min(pair.p for pair in pairs) > 0.05 / len(pairs)


def test_a_shift_as_large_as_the_stated_power_would_be_seen(measured: dict) -> None:
    """The test can fail: with the detectable shift added, it does in four of five resamplings."""
    for pair in compare(measured["scores"]):
        shift = 1.3 * detectable(pair.deviation, len(pair.differences))
        centred = np.asarray(pair.differences) - pair.mean
        assert sign_flip_test(list(centred + shift)) <= 0.05


def test_larger_rates_separate_further(measured: dict) -> None:
    for rates in measured["separation"].values():
        ends = [float(np.median(gaps[-15:])) for gaps in rates.values()]
        assert ends[0] < ends[-1]
        assert all(gaps[0] < 1e-5 for gaps in rates.values())  # they begin a rounding apart

"""The pipeline's benchmark: turns, ratios, and packages that are missing or break; nothing is timed."""

from __future__ import annotations

import pytest

from benchmarks import pipeline
from benchmarks.pipeline import OURS, Timed, main, table, take_turns


def test_candidates_take_turns_and_one_that_breaks_is_left_out() -> None:
    journal: list[str] = []

    def breaks(number: int) -> None:
        journal.append("b")
        if number == 3:
            raise ValueError("two\nlines")

    good = Timed("a", lambda number: journal.append(f"a{number}"))
    bad, last = Timed("b", breaks), Timed("c", lambda number: journal.append("c"))
    take_turns([good, bad, last], rounds=3, warm_up=2)
    assert journal == ["a0", "b", "c", "a1", "b", "c", "a2", "b", "c", "a3", "b", "c", "a4", "c"]
    assert [len(c.times) for c in (good, bad, last)] == [3, 1, 3]
    assert bad.failure == "ValueError: two lines"


def test_the_table_says_ratios_and_reasons() -> None:
    mine, slow, best = Timed(OURS, print, times=[2, 4]), Timed("slow", print, "blurs", [30]), Timed("best", print)
    best.times, broken = [9, 9], Timed("broken", print, failure="E: why")
    text = "\n".join(table([mine, slow, best, broken], {"missing": "ModuleNotFoundError: x"}))
    assert "| SegParity | 3.0 | 1.00 |  |\n| best | 9.0 | 3.00 |  |\n| slow | 30.0 | 10.00 | blurs |" in text
    assert "| broken | not measured | | E: why |" in text
    assert "| missing | not measured | | ModuleNotFoundError: x |" in text
    assert text.endswith("3.00 times the best of the others.")


def test_packages_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'albumentations'")

    monkeypatch.setattr(pipeline, "PEERS", (pipeline.Peer("albumentations", missing),))  # type: ignore[arg-type]

    class Empty:
        pairs = ()

    found, failures = pipeline.rivals(Empty())  # type: ignore[arg-type]
    assert found == []
    assert failures == {"albumentations": "ModuleNotFoundError: No module named 'albumentations'"}


def test_without_frames_it_says_what_to_give(tmp_path, capsys) -> None:
    assert main(["--root", str(tmp_path / "none"), "--peers", str(tmp_path / "none")]) == 2
    assert "--root names a folder with Cityscapes frames and labels" in capsys.readouterr().err

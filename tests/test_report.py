"""The page about runs: of finished, stopped, running and damaged ones, and what it says of each."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from core.checkpoint import RunDirectory, read_records
from core.report.__main__ import main
from core.report.plots import Line, plot
from core.report.reading import read_run
from tests.test_training import NumpyLearner, settings, train


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A finished run, and one that was stopped after a validation."""
    folder = tmp_path_factory.mktemp("runs")

    class Stopping(NumpyLearner):
        def update(self, lr: float) -> None:
            if self.steps + 1 == 6:
                raise KeyboardInterrupt
            super().update(lr)

    assert train(*settings(), "--run", folder / "whole") == 0
    assert train(*settings("seed=1"), "--run", folder / "cut", learner=Stopping) == 130
    return folder / "whole", folder / "cut"


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


def test_a_run_keeps_what_the_page_shows(runs: tuple[Path, Path]) -> None:
    directory = RunDirectory(runs[0])
    evaluations = read_records(directory.evaluations)
    assert [record["iteration"] for record in evaluations] == [5, 7]
    counts = evaluations[-1]["confusion"]
    assert len(counts) == len(counts[0]) == 11
    assert sum(map(sum, counts)) <= 2 * 36 * 48
    assert all(sum(row) == row[0] for row in counts)  # the network says class 0 everywhere
    assert len(evaluations[-1]["pictures"]) == 2
    worst = sorted(path.name for path in directory.worst.glob("*.png"))
    assert [name[:9] for name in worst] == ["000007_01", "000007_02"]  # those of iteration 5 are gone
    scores = [evaluations[-1]["pictures"][name[10:-4]] for name in worst]
    assert scores == sorted(scores)
    timing = read_records(directory.timing)
    assert [record["iteration"] for record in timing] == [2, 4, 6, 7]
    assert all(0 <= record["waited"] <= record["seconds"] for record in timing)
    assert timing[-1]["left"] == 0 or timing[-1]["left"] > 0


def test_the_page_compares_runs(runs: tuple[Path, Path], tmp_path: Path) -> None:
    assert main([*map(str, runs), "--out", str(tmp_path / "page.html")]) == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    links = Links()
    links.feed(text)
    assert links.found
    assert all(link.startswith("data:image/jpeg;base64,") for link in links.found)
    assert not re.search(r"https?://", text)
    for words in ("finished", "stopped at iteration 5 of 7; --resume goes on", "seed (0 -&gt; 1)", "7 / 7", "5 / 7"):
        assert words in text
    miou = RunDirectory(runs[0]).read_metrics()[-1]["miou"]
    assert f"{100 * miou:.2f}" in text
    assert text.count('<table class="confusion">') == 2
    assert text.count("relative difference") == 2  # aria-label and title


def test_a_damaged_run_is_shown_as_far_as_it_goes(runs: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs[0], run)
    directory = RunDirectory(run)
    lines = directory.metrics.read_bytes().splitlines(keepends=True)
    directory.metrics.write_bytes(b"".join(lines[:4]) + b"\x00\xff{\n" + b"".join(lines[4:]))
    directory.evaluations.write_bytes(directory.evaluations.read_bytes()[:40])
    directory.timing.unlink()
    directory.environment.write_text("[")
    next(iter(directory.worst.glob("*.png"))).write_bytes(b"")
    assert main([str(run), "--out", str(tmp_path / "page.html")]) == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "metrics.jsonl is damaged after its line 4" in text
    assert "timing.jsonl is not there" in text
    assert "environment.json cannot be read" in text
    assert "4 / 7" in text
    assert "No evaluation yet" in text


def test_a_running_run_is_told(runs: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs[0], run)
    with RunDirectory(run).lock():
        assert read_run(run).state == "running"
    assert read_run(run).state == "finished"


def test_before_the_first_iteration_there_is_a_page(runs: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(runs[0] / "config.yaml", run)
    assert main([str(run), "--out", str(tmp_path / "page.html")]) == 0
    assert "nothing yet" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_what_is_no_run_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--out", str(tmp_path / "page.html")]) == 2
    assert "holds no run (no config.yaml)" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()
    assert main([str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "is a folder; --out needs the name of a file" in capsys.readouterr().err


def test_runs_of_one_name_are_told_apart(runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "whole"
    shutil.copytree(runs[0], other)
    assert main([str(runs[0]), str(other), "--out", str(tmp_path / "page.html")]) == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert str(other) in text
    assert "the same configuration" in text


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0], [0.0, -1.0], [None, 3.0], [1e-9, 1e9], [float("nan"), 1.0]])
@pytest.mark.parametrize("log", [False, True])
def test_plots_of_any_values_are_drawn(values: list[float | None], log: bool) -> None:
    drawn = plot("a < b", [Line("run", list(range(len(values))), values)], log=log)
    assert drawn.startswith("<svg") and drawn.endswith("</svg>")  # noqa: PT018
    assert "nan" not in drawn and "inf" not in drawn  # noqa: PT018
    assert "a &lt; b" in drawn
    good = [v for v in values if v is not None and v == v and (v > 0 or not log)]
    assert ('class="line"' in drawn) == (len(good) > 1)
    assert ("nothing yet" in drawn) == (not good)


def test_long_runs_are_averaged() -> None:
    drawn = plot("t", [Line("run", range(100_000), [1.0, 3.0] * 50_000)])
    (path,) = re.findall(r'd="(M[^"]*)" class="line"', drawn)
    assert 300 <= path.count("L") < 400
    assert len({point.split()[1] for point in path[1:].split("L")}) == 1  # every group's mean is 2


def test_the_records_are_json(runs: tuple[Path, Path]) -> None:
    for file in RunDirectory(runs[0]).records:
        for line in file.read_text().splitlines():
            json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))

"""The tables of the zoo: of the presets and of the measurements in the repository, and of nothing else."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import zoo
from core.arch import PRESETS
from core.description import backend_names
from core.errors import ConfigError, DataError, SegParityError
from core.measurements import SIZE, SIZES, Agreement, Entry, Measurements, Run
from core.published import FILE, Figure, published, read_published
from core.zoo import MEASUREMENTS, in_table, long_table, main, memory_table, put_table, short_table

ROOT = Path(__file__).resolve().parents[1]
_MEASURED = {
    item.backend
    for entry in Measurements.read(ROOT / MEASUREMENTS).entries.values()
    for item in (*entry.golden, *entry.runs)
}
pytestmark = pytest.mark.skipif(
    not set(backend_names()) >= _MEASURED,
    reason=f"the committed measurements are of {', '.join(sorted(_MEASURED))}, not all of which are here",
)
NAME = "espnet_p2_q8"
VALUES = PRESETS[NAME].spec.inference_values()
AGREEMENT = Agreement("ESPNet/ESPNet", "torch", "eval", "float32", 5.0e-6, True)
RUN = Run("torch", "torch 2", "Some processor", 2, SIZE, SIZE, 41.26, 39.4, 612.0, 0.03)
ENTRY = Entry(VALUES, 4_670_283_776, SIZE, (AGREEMENT,), (RUN,))


def row(table: str, name: str = NAME) -> dict[str, str]:
    """The row's cells by the titles."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    found = next(cells for cells in lines if cells[0] == f"`{name}`")
    assert len(found) == len(lines[0])
    return dict(zip(lines[0], found))


@pytest.mark.parametrize("file", ["README.md", "docs/zoo.md", "docs/training.md"])
def test_the_tables_are_current(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    measured = Measurements.read(ROOT / MEASUREMENTS)
    assert put_table(text, file, measured) == text, "run `make zoo`, or `make table` without PyTorch"


def test_missing_markers_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SegParityError, match=r"notes\.md"):
        put_table("nothing", "notes.md", Measurements())
    assert main([str(tmp_path / "absent.md")]) == 2
    assert "absent.md" in capsys.readouterr().err


# Cells


def test_what_is_not_measured_is_empty() -> None:
    cells = row(long_table(Measurements()))
    assert cells["parameters, M"] == "0.363"
    assert cells["values in inference, M"] == "0.367"
    assert not any(cells[title] for title in ("multiply-adds, G", "golden, inference", "golden, training"))
    assert not any(title.startswith(("ms", "MiB")) for title in cells)
    assert row(short_table(Measurements()))["multiply-adds, G"] == ""


def test_cells_name_the_backends_in_their_order() -> None:
    training = replace(AGREEMENT, mode="train", backend="mxnet", relative=0.02)
    entry = replace(ENTRY, golden=(AGREEMENT, training, replace(AGREEMENT, file="other", relative=2e-6)))
    table = long_table(Measurements({NAME: entry}))
    cells = row(table)
    assert cells["multiply-adds, G"] == "4.67"
    assert cells["golden, inference"] == "5.3 / – / –"
    assert cells["golden, training"] == "– / – / 1.7"
    assert cells["ms, 512x1024 A"] == "41 / – / –"
    assert cells["MiB, 512x1024 A"] == "612 / – / –"
    assert cells["ms, 1024x2048 A"] == ""
    assert "\nA: Some processor, 2 threads; torch 2." in table


def test_memory_of_training_has_a_table_of_its_own() -> None:
    step = replace(RUN, mode="train", size=(768, 768), input=(768, 768), peak_mib=5120.0, others=1.5)
    whole = replace(RUN, backend="mxnet", size=SIZES[1], input=SIZES[1], peak_mib=3072.0)
    elsewhere = replace(RUN, processor="Another", peak_mib=9.0)
    measured = Measurements({NAME: replace(ENTRY, runs=(step, whole, elsewhere)), "fast_scnn": ENTRY})
    table = memory_table(measured)
    cells = row(table)
    assert cells["training, 768x768"] == "5.0 / – / –"
    assert cells["inference, 1024x2048"] == "– / – / 3.0"
    assert "fast_scnn" not in table
    assert "\nSome processor, 2 threads; torch 2." in table
    assert not any("768" in title for title in row(long_table(measured)))


def test_a_time_taken_on_a_busy_machine_is_left_out() -> None:
    table = long_table(Measurements({NAME: replace(ENTRY, runs=(replace(RUN, others=1.44),))}))
    assert row(table)["ms, 512x1024 A"] == ""
    assert row(table)["MiB, 512x1024 A"] == "612 / – / –"


@pytest.mark.parametrize("bad", [{"passed": False}, {"relative": None}])
def test_a_file_that_is_not_met_fails(bad: dict[str, Any]) -> None:
    entry = replace(ENTRY, golden=(AGREEMENT, replace(AGREEMENT, file="other", **bad)))
    assert row(long_table(Measurements({NAME: entry})))["golden, inference"] == "fails / – / –"


def test_measurements_of_another_network_do_not_count() -> None:
    table = long_table(Measurements({NAME: replace(ENTRY, values=VALUES + 1)}))
    assert row(table) == row(long_table(Measurements()))


def test_another_size_and_machines_are_named() -> None:
    here = replace(RUN, processor="Another", threads=1, size=SIZES[1], input=(1056, 2048))
    entry = replace(ENTRY, input=(544, 1024), runs=(RUN, replace(RUN, backend="mxnet"), here))
    cells = row(long_table(Measurements({NAME: entry})))
    assert cells["multiply-adds, G"] == "4.67 at 544x1024"
    assert cells["ms, 512x1024 A"] == "41 / – / 41"
    assert cells["ms, 1024x2048 B"] == "41 at 1056x2048 / – / –"


def test_what_is_published_is_of_published_networks() -> None:
    """Each row is of a preset of that origin, as the first word of its `original` says."""
    for name, known in published().items():
        assert in_table(name)
        assert known.figures or known.weights
        assert not known.licence or known.weights
        for figure in known.figures:
            assert 10 < figure.miou < 100
            assert figure.data
            origin = figure.source.split(",")[0]
            assert PRESETS[name].original.startswith(origin), f"{name} is not of {origin}"


def test_published_figures_are_in_the_tables() -> None:
    name = "fcn_resnet18_mxnetseg"
    assert published()[name].figures[0] == Figure(68.3, "Cityscapes val", "single scale", "MXNetSeg, README")
    cells = row(long_table(Measurements()), name)
    figures = "68.3 on Cityscapes val, single scale; 69.9 on Cityscapes val, multi-scale and flip (MXNetSeg, README)"
    assert cells["published mIoU"] == figures
    assert cells["published weights"] == cells["their licence"] == ""
    assert row(short_table(Measurements()), name)["published mIoU"] == "68.3, Cityscapes val"
    espnet = row(long_table(Measurements()), "espnet_p2_q8")
    assert espnet["published weights"].startswith("[github.com](https://github.com/sacmehta/ESPNet/")
    assert espnet["their licence"] == "MIT, the repository's"


def test_a_preset_is_published_once(tmp_path: Path) -> None:
    path = tmp_path / "published.yaml"
    path.write_text(FILE.read_text(encoding="utf-8") * 2, encoding="utf-8")
    with pytest.raises(ConfigError, match="twice"):
        read_published(path)
    path.write_text("- source: A\n  presets:\n    a: {figures: [[1.0, data]]}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a\.figures"):
        read_published(path)


# The file


def test_the_file_is_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    measured = Measurements({NAME: ENTRY, "another": Entry(1, 2, (3, 4))})
    measured.write(path)
    assert Measurements.read(path).entries == measured.entries
    assert Measurements.read(tmp_path / "absent.json").entries == {}


def test_a_broken_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"measured\.json"):
        Measurements.read(path)
    path.write_text(json.dumps({NAME: {"values": 1, "multiply_add": 2}}), encoding="utf-8")
    with pytest.raises(ConfigError, match="multiply_add"):
        Measurements.read(path)


def test_a_new_count_drops_what_was_measured_of_the_old_network() -> None:
    measured = Measurements({NAME: ENTRY})
    measured.put(NAME, Entry(VALUES, ENTRY.multiply_adds))
    assert measured.entries[NAME] == ENTRY
    measured.put(NAME, Entry(VALUES, ENTRY.multiply_adds + 1))
    assert measured.entries[NAME].runs == ()


def test_measurements_are_of_presets() -> None:
    assert set(Measurements.read(ROOT / MEASUREMENTS).entries) <= set(PRESETS)


# benchmarks.zoo


def outcome(**changes: Any) -> dict[str, Any]:
    whole = {"file": "ESPNet/ESPNet", "preset": NAME, "backend": "torch", "mode": "eval", "dtype": "float32"}
    return {**whole, "output": "eval/0", "passed": True, "relative": 1e-6, "why": "", **changes}


def test_golden_results_are_merged(tmp_path: Path) -> None:
    path, measured = tmp_path / "golden.json", Measurements({NAME: ENTRY})
    mxnet = {"backend": "mxnet", "mode": "train"}
    outputs = [
        outcome(),
        outcome(output="eval/1", relative=3.14159e-6),
        outcome(**mxnet),
        outcome(**mxnet, output="train/1", relative=None, passed=False),
        outcome(preset="no_preset_any_more"),
    ]
    path.write_text(json.dumps({"outputs": outputs}), encoding="utf-8")
    assert zoo.merge_golden(measured, path) == 1
    assert measured.entries[NAME].golden == (
        Agreement("ESPNet/ESPNet", "mxnet", "train", "float32", None, False),
        Agreement("ESPNet/ESPNet", "torch", "eval", "float32", 3.14e-6, True),
    )
    assert measured.entries[NAME].runs == ENTRY.runs
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match=r"golden\.json"):
        zoo.merge_golden(measured, path)


@pytest.fixture
def options(tmp_path: Path) -> Callable[..., argparse.Namespace]:
    """The command's options for one preset and size in two backends."""

    def parse(*more: str) -> argparse.Namespace:
        names = ["--preset", NAME, "--backends", "torch", "mxnet", "--size", "512x1024", "--threads", "1"]
        return zoo.parser().parse_args(["measure", *names, "--file", str(tmp_path / "measured.json"), *more])

    return parse


def test_what_is_measured_is_left_alone(
    options: Callable[..., argparse.Namespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    host = {"processor": "Some processor", "threads": 1}
    monkeypatch.setattr(zoo, "machine", lambda threads: host)

    def measure(name: str, backend: str, picture: tuple[int, int], _: argparse.Namespace) -> Run:
        asked.append(backend)
        if len(asked) == 1:
            raise ConfigError("out of memory")
        return replace(RUN, backend=backend, threads=1, size=picture)

    monkeypatch.setattr(zoo, "measure", measure)
    measured = Measurements({NAME: replace(ENTRY, runs=())})
    assert zoo.measure_all(measured, options()) == ["out of memory"]
    assert asked == ["torch", "mxnet"]
    assert zoo.measure_all(Measurements.read(options().file), options()) == []
    assert asked == ["torch", "mxnet", "torch"]
    measured = Measurements.read(options().file)
    assert [run.backend for run in measured.entries[NAME].runs] == ["mxnet", "torch"]
    assert zoo.measure_all(measured, options("--again")) == []
    assert asked == ["torch", "mxnet", "torch", "torch", "mxnet"]


def test_a_busy_machine_is_refused(options: Callable[..., argparse.Namespace], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "machine", lambda threads: {"processor": RUN.processor, "threads": RUN.threads})
    monkeypatch.setattr(zoo, "measure", lambda name, backend, *_: replace(RUN, backend=backend, others=1.5))
    measured = Measurements({NAME: replace(ENTRY, runs=())})
    failed = zoo.measure_all(measured, options())
    assert len(failed) == 2
    assert "others kept 1.5 processors busy" in failed[0]
    assert measured.entries[NAME].runs == ()
    assert zoo.measure_all(measured, options("--busy", "2")) == []
    assert [run.busy for run in measured.entries[NAME].runs] == [True, True]
    monkeypatch.setattr(zoo, "measure", lambda name, backend, *_: replace(RUN, backend=backend, others=0.0))
    assert zoo.measure_all(measured, options()) == []
    assert [run.busy for run in measured.entries[NAME].runs] == [False, False]

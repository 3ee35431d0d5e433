"""Every data set trains from a miniature of its archives: an iteration, and an evaluation of what was trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from core.data import DATASETS
from core.data.prepare.__main__ import main as prepare
from tests.miniatures import MINIATURES

Module = Callable[[str], ModuleType]

# One of them shows the way from archives to weights in every run of the tests; the rest differ in what core does alone.
CASES = [name if name == "bdd100k" else pytest.param(name, marks=pytest.mark.slow) for name in MINIATURES]


@pytest.mark.parametrize("name", CASES)
def test_a_prepared_data_set_trains(name: str, tmp_path: Path, module: Module) -> None:
    for package in MINIATURES[name].needs:
        pytest.importorskip(package, reason=f"{package} reads and writes this data set's files")
    archives, root, run = tmp_path / "archives", tmp_path / "root", tmp_path / "run"
    archives.mkdir()
    MINIATURES[name].write(archives)
    assert prepare([name, "--from", str(archives), "--to", str(root)]) == 0
    labelled = [split for split in ("val", "test") if split in MINIATURES[name].counts]
    validation = next(split for split in labelled if split not in DATASETS[name].unlabelled)
    settings = {
        "model.preset": "fast_scnn_tiny",
        "data.dataset": name,
        "data.root": str(root),
        "data.val": validation,
        "transform.crop": "[32, 48]",
        "transform.scale": "[1, 1]",
        "train.batch_size": "2",
        "train.iterations": "1",
        "train.sample_predictions": "1",
        "train.log_interval": "1",
    }
    arguments = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    assert module("train").main(["--run", str(run), *arguments]) == 0
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert any("loss" in line for line in lines)
    assert module("eval").main(["--run", str(run), "--split", validation, "--json", str(tmp_path / "scores.json")]) == 0
    assert (tmp_path / "scores.json").is_file()

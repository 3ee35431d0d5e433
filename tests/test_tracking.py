"""Scalars reach metrics.jsonl and TensorBoard's event files; missing packages are said."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from core.config import LoggingConfig
from core.errors import ConfigError, OutputError
from core.tracking import Tracker


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    tracker = Tracker(tmp_path / "metrics.jsonl", LoggingConfig(tensorboard=True), "run", {})
    for iteration in (1, 2, 3):
        tracker.add(iteration, {"loss": 1 / iteration, "heads": [1.0, 2.0]})
    tracker.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    scalars = events.Scalars("loss")
    assert [scalar.step for scalar in scalars] == [1, 2, 3]
    assert [scalar.value for scalar in scalars] == pytest.approx([1, 1 / 2, 1 / 3])
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[2]) == {"iteration": 3, "loss": 1 / 3, "heads": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("package", "config"),
    [("tensorboard", LoggingConfig(tensorboard=True)), ("wandb", LoggingConfig(wandb_project="zoo"))],
)
def test_a_missing_package_is_named(
    tmp_path: Path, package: str, config: LoggingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [package, *(m for m in sys.modules if m.startswith(package + "."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=f"pip install {package}"):
        Tracker(tmp_path / "metrics.jsonl", config, "run", {})


def test_a_full_disk_is_named() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    tracker = Tracker(full, LoggingConfig(), "run", {})
    tracker.add(1, {"loss": 1.0})
    for write in (tracker.flush, tracker.close):
        with pytest.raises(OutputError, match=r"/dev/full: cannot be written \(No space left on device\)"):
            write()

"""Scalars reach metrics.jsonl and TensorBoard's event files; missing packages are said."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.checkpoint import RunDirectory
from core.config import LoggingConfig
from core.errors import ConfigError, OutputError
from core.pace import Lap
from core.tracking import Tracker


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    tracker = Tracker(RunDirectory(tmp_path), LoggingConfig(tensorboard=True), {}, ["road", "sky"])
    picture = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    for iteration in (1, 2, 3):
        tracker.add(iteration, {"loss": 1 / iteration, "heads": [1.0, 2.0]})
    tracker.add(3, {"miou": 0.5, "iou": [0.25, 0.75]})
    tracker.time(3, Lap(3, 24, 2.0, 0.5, 60.0))
    tracker.show(3, "worst/1", picture)
    tracker.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    scalars = events.Scalars("loss")
    assert [scalar.step for scalar in scalars] == [1, 2, 3]
    assert [scalar.value for scalar in scalars] == pytest.approx([1, 1 / 2, 1 / 3])
    values = {"iou/road": 0.25, "iou/sky": 0.75, "miou": 0.5}
    values |= {"time/pictures_per_second": 12, "time/waiting_for_data": 0.25, "time/seconds_left": 60}
    assert {tag: events.Scalars(tag)[0].value for tag in values} == values
    shown = cv2.imdecode(np.frombuffer(events.Images("worst/1")[0].encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(shown[..., ::-1], picture)
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
        Tracker(RunDirectory(tmp_path), config, {})


def test_weights_and_biases_gets_the_same_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed (extra wandb): its offline mode is not tested")
    monkeypatch.setenv("WANDB_MODE", "offline")
    tracker = Tracker(RunDirectory(tmp_path), LoggingConfig(wandb_project="zoo"), {"seed": 1}, ["road", "sky"])
    for iteration in (1, 2, 3):
        tracker.add(iteration, {"loss": 1 / iteration})
    tracker.add(3, {"miou": 0.5, "iou": [0.25, None]})
    tracker.time(3, Lap(3, 24, 2.0, 0.5, 60.0))
    tracker.show(3, "worst/1", np.zeros((8, 12, 3), np.uint8))
    tracker.close()
    (stored,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    found: dict[int, dict[str, object]] = {}
    for record in read_history(stored):
        found.setdefault(int(record.pop("_step")), {}).update(record)
    assert found[2]["loss"] == 0.5
    expected = {"loss": 1 / 3, "miou": 0.5, "iou/road": 0.25, "time/waiting_for_data": 0.25, "time/seconds_left": 60}
    assert {name: found[3][name] for name in expected} == expected
    assert found[3]["worst/1/_type"] == "image-file"


def read_history(path: Path) -> Iterator[dict[str, object]]:
    """The history of an offline run: protocol buffers in LevelDB's log format (blocks of 32 KiB)."""
    from wandb.proto import wandb_internal_pb2

    data, place, part = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        part += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind not in (1, 4):  # neither whole nor the last piece
            continue
        record = wandb_internal_pb2.Record()
        record.ParseFromString(part)
        part = b""
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            yield {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def test_weights_and_biases_without_a_key_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed (extra wandb)")

    def refuse(**settings: object) -> None:
        raise RuntimeError("api_key not configured (no-tty)\nmore")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(ConfigError, match=r"does not start \(api_key not configured \(no-tty\)\); log in .*offline"):
        Tracker(RunDirectory(tmp_path), LoggingConfig(wandb_project="zoo"), {})


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    directory = RunDirectory(tmp_path)
    directory.metrics = full
    tracker = Tracker(directory, LoggingConfig(), {})
    tracker.add(1, {"loss": 1.0})
    for write in (tracker.flush, tracker.close):
        with pytest.raises(OutputError, match=r"/dev/full: cannot be written \(No space left on device\)"):
            write()

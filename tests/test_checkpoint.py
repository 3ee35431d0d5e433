"""Checkpoints are whole or absent; run directories are never replaced unasked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.checkpoint import Checkpoint, RunDirectory, load_checkpoint, save_checkpoint
from core.errors import CheckpointError, OutputError
from core.files import atomic_output


def example() -> Checkpoint:
    rng = np.random.default_rng(0)
    weights = {"a.weight": rng.standard_normal((3, 4)).astype(np.float32), "a.bias": np.zeros(3, np.float32)}
    optimizer = {f"momentum_buffer.{name}": value + 1 for name, value in weights.items()}
    return Checkpoint(weights, optimizer, 17, {"preset": "x", "best": "0.5"})


def test_round_trip(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c.safetensors", example())
    loaded = load_checkpoint(tmp_path / "c.safetensors")
    assert loaded.iteration == 17
    assert loaded.metadata["preset"] == "x"
    for kind in ("weights", "optimizer"):
        expected, got = getattr(example(), kind), getattr(loaded, kind)
        assert len(expected) == 2
        assert set(expected) == set(got)
        assert all(np.array_equal(expected[name], got[name]) for name in expected)


def test_transposed_arrays_are_written_in_their_order(tmp_path: Path) -> None:
    value = np.arange(6, dtype=np.float32).reshape(2, 3).T
    save_checkpoint(tmp_path / "c.safetensors", Checkpoint({"w": value}))
    assert np.array_equal(load_checkpoint(tmp_path / "c.safetensors").weights["w"], value)


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail() -> None:
        with atomic_output(path) as file:
            file.write(b"half")
            raise OSError("disk full")

    with pytest.raises(OutputError, match=r"file: cannot be written \(disk full\)"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("cut", [0, 4, 8, 60, -10])
def test_a_cut_file_is_named(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, example())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=r"c\.safetensors"):
        load_checkpoint(path)


def test_plain_weights_are_no_checkpoint(tmp_path: Path) -> None:
    save_file({"w": np.zeros(1, np.float32)}, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match="--weights"):
        load_checkpoint(tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "absent.safetensors")


def test_run_directory_is_not_replaced_unasked(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.create("seed: 0\n", {"backend": "x"}, example())
    for trace in (directory.best, directory.metrics, directory.predictions / "000003_a.png"):
        trace.parent.mkdir(exist_ok=True)
        trace.write_text("old")
    with pytest.raises(CheckpointError, match="--resume"):
        directory.create("seed: 1\n", {}, example())
    assert directory.config.read_text() == "seed: 0\n"
    directory.create("seed: 1\n", {"backend": "y"}, Checkpoint(example().weights), overwrite=True)
    assert load_checkpoint(directory.last).iteration == 0
    assert [entry["backend"] for entry in json.loads(directory.environment.read_text())] == ["y"]
    assert sorted(path.name for path in directory.path.iterdir()) == [
        "config.yaml",
        "environment.json",
        "last.safetensors",
    ]


def test_a_replacement_that_fails_leaves_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.create("seed: 0\n", {"backend": "x"}, example())
    before = {path.name: path.read_bytes() for path in directory.path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.safetensors.write", full)
    with pytest.raises(OutputError, match=r"run/last\.safetensors: cannot be written .*No space left"):
        directory.create("seed: 1\n", {}, Checkpoint({}), overwrite=True)
    assert {path.name: path.read_bytes() for path in directory.path.iterdir()} == before


def test_what_a_kill_left_half_written_is_swept_up(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    (tmp_path / ".new.abc").mkdir()
    (tmp_path / ".new.abc" / "last.safetensors").touch()
    (tmp_path / ".last.safetensors.xyz.partial").touch()
    (tmp_path / "notes.tmp").touch()
    with directory.lock():
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "notes.tmp"]


def test_metrics_after_the_checkpoint_and_cut_lines_are_dropped(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.metrics.write_text('{"iteration": 1}\n{"iteration": 2}\n{"iteration": 3}\n{"iterat')
    assert [record["iteration"] for record in directory.read_metrics()] == [1, 2, 3]
    directory.predictions.mkdir()
    for name in ("000002_a.png", "000003_a.png", "mine_3.png"):
        (directory.predictions / name).touch()
    directory.forget_after(2)
    assert sorted(path.name for path in directory.predictions.iterdir()) == ["000002_a.png", "mine_3.png"]
    assert directory.metrics.read_text() == '{"iteration": 1}\n{"iteration": 2}\n'


def test_resuming_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no run"):
        RunDirectory(tmp_path / "nowhere").open()

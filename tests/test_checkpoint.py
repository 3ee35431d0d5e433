"""Checkpoints are whole or absent; run directories are never replaced unasked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.checkpoint import Checkpoint, RunDirectory, load_checkpoint, save_checkpoint, write_atomically
from core.errors import CheckpointError


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

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
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
    directory.create("seed: 0\n", {"backend": "x"})
    save_checkpoint(directory.last, example())
    with pytest.raises(CheckpointError, match="--resume"):
        directory.create("seed: 1\n", {})
    assert directory.config.read_text() == "seed: 0\n"
    directory.create("seed: 1\n", {}, overwrite=True)
    assert not directory.last.exists()


def test_metrics_after_the_checkpoint_and_cut_lines_are_dropped(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.metrics.write_text('{"iteration": 1}\n{"iteration": 2}\n{"iteration": 3}\n{"iterat')
    assert [record["iteration"] for record in directory.read_metrics()] == [1, 2, 3]
    directory.forget_metrics_after(2)
    assert directory.metrics.read_text() == '{"iteration": 1}\n{"iteration": 2}\n'


def test_resuming_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no run"):
        RunDirectory(tmp_path / "nowhere").open()

"""Batches through shared memory: the same bytes, nothing left behind, and the pipe where there is no room."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from core.data import handover as module
from core.data.handover import Handed, Handover, received
from core.data.pipeline import collate
from core.errors import DataError


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(module, "_said", False)
    return tmp_path


@pytest.fixture
def worker(monkeypatch) -> None:
    monkeypatch.setattr(module, "parent_process", lambda: object())


def _samples(count=3, height=5, width=7):
    rng = np.random.default_rng(0)
    return [(rng.random((3, height, width), np.float32), rng.integers(0, 255, (height, width))) for _ in range(count)]


def _same(found, samples) -> None:
    for array, wanted in zip(found, collate(samples)):
        assert array.dtype == wanted.dtype
        np.testing.assert_array_equal(array, wanted)


@pytest.mark.parametrize(("count", "height", "width"), [(3, 5, 7), (1, 1, 1), (2, 64, 48)])
def test_a_batch_arrives_as_it_was(folder, worker, count, height, width) -> None:
    samples, handover = _samples(count, height, width), Handover()
    handed = pickle.loads(pickle.dumps(handover(samples)))
    assert isinstance(handed, Handed)
    assert len(pickle.dumps(handed)) < 300
    assert len(list(folder.iterdir())) == 1
    batch = received(handed)
    assert list(folder.iterdir()) == []
    _same(batch, samples)
    batch[0][0, 0] = 9  # the reader's own
    handover.close()


def test_in_one_process_nothing_is_handed_over(folder) -> None:
    _same(received(Handover()(_samples())), _samples())
    assert list(folder.iterdir()) == []


def test_sizes_that_differ_are_an_error(folder, worker) -> None:
    with pytest.raises(DataError, match="one size"):
        Handover()([*_samples(), *_samples(height=6)])


def test_where_there_is_no_room_the_pipe_is_taken(folder, worker, monkeypatch, capsys) -> None:
    status = os.statvfs(folder)

    class Full:
        f_bavail, f_frsize = 100, status.f_frsize

    monkeypatch.setattr(module.os, "statvfs", lambda _: Full)
    for _ in range(2):
        _same(Handover()(_samples()), _samples())
    monkeypatch.undo()


def test_a_full_shared_memory_is_said_once(folder, worker, monkeypatch, capsys) -> None:
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "posix_fallocate", full)
    for _ in range(2):
        _same(Handover()(_samples()), _samples())
    assert list(folder.iterdir()) == []
    said = capsys.readouterr().err
    assert said.count("No space left on device; batches go through a pipe") == 1
    assert "--shm-size" in said


def test_what_is_left_is_removed(folder, worker) -> None:
    first, second = Handover(), Handover()
    first(_samples())
    kept = second(_samples())
    (folder / "segparity-batch-999999999-abc-def").write_bytes(b"x")
    (folder / "other").write_bytes(b"x")
    first.close()
    assert {path.name for path in folder.iterdir()} == {"other", Path(kept.path).name}
    second.close()
    assert {path.name for path in folder.iterdir()} == {"other"}


def _make(handover: Handover) -> Handed:
    made = handover(_samples())
    assert isinstance(made, Handed)
    return made


@pytest.mark.skipif(not module.FOLDER.is_dir(), reason="no /dev/shm on this system")
def test_through_a_pool() -> None:
    handover = Handover()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for handed in pool.map(_make, [handover] * 3):
            _same(received(handed), _samples())
    assert not list(module.FOLDER.glob(f"{handover.prefix}*"))

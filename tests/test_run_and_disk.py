"""A disk that takes no more ends a training with one sentence, and the run goes on once it takes more."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from core.checkpoint import RunDirectory, load_checkpoint
from tests.test_run_safety import contents
from tests.test_training import NumpyLearner, settings, train

_read_only: list[str] = []  # folders in which nothing is written now
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if _read_only and event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"):
        path, flags = arguments[0], arguments[2] if event == "open" else _WRITES
        inside = isinstance(path, str | os.PathLike) and str(path).startswith(_read_only[0])
        if inside and isinstance(flags, int) and flags & _WRITES:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))


sys.addaudithook(_refuse)  # a mode of 0555 would not stop the superuser, as whom tests run in containers


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """As on a file system that is mounted for reading."""
    _read_only.append(str(folder))
    try:
        yield
    finally:
        _read_only.clear()


def one_sentence(said: str, *words: str) -> None:
    """The last line is the error; nothing is a traceback."""
    assert "Traceback" not in said, said
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, said
    assert all(word in errors[0] for word in words), errors


def assert_as_if_whole(run: Path, whole: Path) -> None:
    """`run`, resumed, ends as `whole`, which nothing has stopped."""
    assert train("--run", run, "--resume") == 0
    assert train(*settings(), "--run", whole) == 0
    expected, got = (RunDirectory(path) for path in (whole, run))
    assert got.read_metrics() == expected.read_metrics()
    states = [load_checkpoint(directory.last).weights for directory in (expected, got)]
    assert all(np.array_equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.parametrize("exists", [False, True])
def test_a_read_only_folder_is_one_sentence_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], exists: bool
) -> None:
    run = tmp_path / "run"
    if exists:
        run.mkdir()
    with read_only(tmp_path):
        assert train(*settings(), "--run", run) == 2
    one_sentence(capsys.readouterr().err, str(run), "cannot be written (Read-only file system)")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("start", [["--resume"], [*settings(), "--overwrite"]])
def test_a_read_only_run_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str], start: list[str]) -> None:
    run = tmp_path / "run"
    assert train(*settings(), "--run", run) == 0
    before = contents(run)
    capsys.readouterr()
    with read_only(run):
        assert train("--run", run, *start) == 2
    one_sentence(capsys.readouterr().err, str(run), "cannot be written (Read-only file system)")
    assert contents(run) == before


def test_a_folder_that_becomes_read_only_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"

    class Remounted(NumpyLearner):
        def update(self, lr: float) -> None:
            super().update(lr)
            if self.steps == 5:
                _read_only.append(str(run))

    try:
        assert train(*settings(), "--run", run, learner=Remounted) == 2
    finally:
        _read_only.clear()
    one_sentence(capsys.readouterr().err, "last.safetensors: cannot be written (Read-only file system)")
    assert load_checkpoint(RunDirectory(run).last).iteration == 3
    assert_as_if_whole(run, tmp_path / "whole")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full: no disk to be found full")
@pytest.mark.parametrize("names", [("metrics.jsonl",), ("timing.jsonl",), ("metrics.jsonl", "timing.jsonl")])
def test_records_that_find_the_disk_full_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: tuple[str, ...]
) -> None:
    run = tmp_path / "run"

    class Full(NumpyLearner):
        def update(self, lr: float) -> None:
            super().update(lr)
            if self.steps == 4:  # after a checkpoint, in the middle of the records
                wanted = {str(run / name) for name in names}
                for number in map(int, os.listdir("/proc/self/fd")):
                    try:
                        target = os.readlink(f"/proc/self/fd/{number}")
                    except OSError:
                        continue  # that of the listing itself
                    if target in wanted:
                        full = os.open("/dev/full", os.O_WRONLY)
                        os.dup2(full, number)
                        os.close(full)

    assert train(*settings(), "--run", run, learner=Full) == 2
    one_sentence(capsys.readouterr().err, f"{names[0]}: cannot be written (No space left on device)")
    assert load_checkpoint(RunDirectory(run).last).iteration == 3
    assert_as_if_whole(run, tmp_path / "whole")


def test_pictures_that_find_the_disk_full_do_not_end_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A validation that fails is told; at the end it is the job's one sentence, and --resume does it again."""
    write = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.suffix == ".png":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, data)

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert train(*settings("train.eval_interval=0"), "--run", run) == 2
    one_sentence(capsys.readouterr().err, "No space left on device", "validate them with --resume")
    assert load_checkpoint(RunDirectory(run).last).iteration == 7
    assert train("--run", run, "--resume") == 0
    assert [record["iteration"] for record in RunDirectory(run).read_metrics() if "miou" in record] == [7]

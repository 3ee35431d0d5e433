"""No work is lost: starts that fail, runs that are stopped, full disks and two starts at once, with a numpy learner."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from core.checkpoint import RunDirectory, load_checkpoint
from core.errors import CheckpointError, DataError
from core.lock import locked
from tests.test_training import Constant, NumpyLearner, settings, train

ROOT = Path(__file__).resolve().parents[1]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def weights_file(path: Path) -> Path:
    """Weights that are not the seed's."""
    assert train(*settings("seed=5", "train.iterations=1"), "--run", path.parent / "other") == 0
    state = load_checkpoint(RunDirectory(path.parent / "other").last).weights
    save_file({name: value + 1 for name, value in state.items()}, path)
    return path


class Killed(NumpyLearner):
    """Dies before its first step, as a killed process does: nothing is tidied up but what Python always does."""

    def update(self, lr: float) -> None:
        raise KeyboardInterrupt


def test_a_run_is_complete_from_iteration_0(tmp_path: Path) -> None:
    weights = weights_file(tmp_path / "w.safetensors")
    start = [*settings(), "--weights", weights]
    assert train(*start, "--run", tmp_path / "whole") == 0
    assert train(*start, "--run", tmp_path / "cut", learner=Killed) == 130
    directory = RunDirectory(tmp_path / "cut")
    assert load_checkpoint(directory.last).iteration == 0
    given = load_file(weights)
    assert all(np.array_equal(value, given[name]) for name, value in load_checkpoint(directory.last).weights.items())
    assert train("--run", tmp_path / "cut", "--resume") == 0
    whole, cut = (load_checkpoint(RunDirectory(tmp_path / name).last) for name in ("whole", "cut"))
    assert all(np.array_equal(whole.weights[name], cut.weights[name]) for name in whole.weights)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_is_one_sentence_and_the_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals, status: int
) -> None:
    class Stopped(NumpyLearner):
        def update(self, lr: float) -> None:
            super().update(lr)
            if self.steps == 4:
                os.kill(os.getpid(), number)

    before = signal.getsignal(signal.SIGTERM)
    assert train(*settings("train.checkpoint_interval=1"), "--run", tmp_path / "cut", learner=Stopped) == status
    assert "goes on from its last checkpoint with --resume" in capsys.readouterr().err.splitlines()[-1]
    assert signal.getsignal(signal.SIGTERM) is before
    assert load_checkpoint(RunDirectory(tmp_path / "cut").last).iteration == 3
    assert train("--run", tmp_path / "cut", "--resume") == 0
    assert train(*settings("train.checkpoint_interval=1"), "--run", tmp_path / "whole") == 0
    whole, cut = (load_checkpoint(RunDirectory(tmp_path / name).last) for name in ("whole", "cut"))
    assert all(np.array_equal(whole.weights[name], cut.weights[name]) for name in whole.weights)


def test_a_run_without_a_checkpoint_is_not_resumed_from_other_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(*settings(), "--run", tmp_path, learner=Killed) == 130
    RunDirectory(tmp_path).last.unlink()
    assert train("--run", tmp_path, "--resume") == 2
    assert "last.safetensors: no such checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--weights", "absent.safetensors"], "absent.safetensors"),
        (settings("data.val=evening"), "no split 'evening'"),
        (settings("metrics.mean_over=[12]"), "mean_over"),
        (settings("evaluation.resize=[8, 8]", "evaluation.multiple=1"), "evaluation.multiple"),
        (settings("transform.crop=[8, 8]"), "at least 32"),
        (settings("train.batchsize=2"), "batch_size"),
    ],
)
def test_overwriting_checks_everything_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: list[str], message: str
) -> None:
    assert train(*settings(), "--run", tmp_path / "run") == 0
    before = contents(tmp_path / "run")
    capsys.readouterr()
    assert train(*settings(), *wrong, "--run", tmp_path / "run", "--overwrite") == 2
    assert message in capsys.readouterr().err
    assert contents(tmp_path / "run") == before
    assert train(*settings(), *wrong, "--run", tmp_path / "new") == 2
    assert not (tmp_path / "new").exists()


def test_a_run_may_be_begun_anew_from_its_own_best_weights(tmp_path: Path) -> None:
    assert train(*settings(), "--run", tmp_path) == 0
    directory = RunDirectory(tmp_path)
    best = load_checkpoint(directory.best).weights
    short = settings("train.iterations=1", "train.sample_predictions=1")
    assert train(*short, "--run", tmp_path, "--overwrite", "--weights", directory.best, learner=Killed) == 130
    taken = load_checkpoint(directory.last)
    assert taken.iteration == 0
    assert all(np.array_equal(taken.weights[name], value) for name, value in best.items())
    assert train("--run", tmp_path, "--resume") == 0
    assert [path.name[:6] for path in directory.predictions.iterdir()] == ["000001"]


def test_a_failed_validation_is_reported_and_the_weights_stand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing(NumpyLearner):
        def predictor(self) -> Constant:
            raise DataError("no such picture")

    assert train(*settings(), "--run", tmp_path, learner=Failing) == 2
    said = capsys.readouterr().err
    assert "the validation of iteration 5 failed: no such picture" in said
    assert "the training goes on" in said
    assert "error: the validation of iteration 7 failed" in said
    directory = RunDirectory(tmp_path)
    assert load_checkpoint(directory.last).iteration == 7
    assert train("--run", tmp_path, "--resume") == 0  # only the last validation is left to do
    assert [record["iteration"] for record in directory.read_metrics() if "miou" in record] == [7]
    assert load_checkpoint(directory.best).iteration == 7


def test_stopped_in_a_validation_it_is_done_again(tmp_path: Path) -> None:
    class Stopped(NumpyLearner):
        def predictor(self) -> Constant:
            raise KeyboardInterrupt

    assert train(*settings(), "--run", tmp_path / "cut", learner=Stopped) == 130
    assert load_checkpoint(RunDirectory(tmp_path / "cut").last).iteration == 5
    assert train("--run", tmp_path / "cut", "--resume") == 0
    assert train(*settings(), "--run", tmp_path / "whole") == 0
    records = [RunDirectory(tmp_path / name).read_metrics() for name in ("whole", "cut")]
    assert records[0] == records[1]
    best = [load_checkpoint(RunDirectory(tmp_path / name).best) for name in ("whole", "cut")]
    assert best[0].iteration == best[1].iteration == 5


@pytest.mark.parametrize("call", [2, 3])
def test_a_disk_that_fills_up_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    from core import safetensors

    calls, write = [0], safetensors.write

    def full(*arguments: object) -> None:
        calls[0] += 1
        if calls[0] == call:
            raise OSError(28, "No space left on device")
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(safetensors, "write", full)
    assert train(*settings(), "--run", tmp_path) == 2
    said = capsys.readouterr().err
    assert "last.safetensors: cannot be written (No space left on device)" in said
    assert "Traceback" not in said
    kept = load_checkpoint(RunDirectory(tmp_path).last).iteration
    assert kept == {2: 0, 3: 3}[call]
    assert train("--run", tmp_path, "--resume") == 0


def test_places_that_cannot_be_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert train(*settings(), "--run", tmp_path / "file") == 2
    assert f"{tmp_path / 'file'}: is a file; --run needs a folder" in capsys.readouterr().err
    assert train(*settings(), "--run", tmp_path / "file" / "run") == 2
    assert "error: " in capsys.readouterr().err
    assert train("--resume", "--run", tmp_path / "file") == 2
    assert "holds no run" in capsys.readouterr().err


def test_nan_is_null_in_the_metrics(tmp_path: Path) -> None:
    assert train(*settings(), "--run", tmp_path) == 0

    def refuse(token: str) -> None:
        raise AssertionError(f"{token} in metrics.jsonl")

    lines = RunDirectory(tmp_path).metrics.read_text().splitlines()
    records = [json.loads(line, parse_constant=refuse) for line in lines]
    assert any(None in record.get("iou", []) for record in records)  # two small scenes lack some class


def test_two_starts_at_once_are_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Greedy(NumpyLearner):
        def update(self, lr: float) -> None:
            super().update(lr)
            if self.steps == 2:
                assert train("--run", tmp_path, "--resume") == 2
                assert train(*settings(), "--run", tmp_path, "--overwrite") == 2

    assert train(*settings(), "--run", tmp_path, learner=Greedy) == 0
    said = capsys.readouterr().err
    assert said.count(f"{tmp_path}: another process trains in it (process {os.getpid()})") == 2
    assert train(*settings(), "--run", tmp_path, "--overwrite") == 0


HOLDER = """
import multiprocessing, os, sys, time
from pathlib import Path
from core.lock import locked
def work():
    print(os.getpid(), flush=True)  # said by the worker itself: it runs by then
    time.sleep(60)
with locked(Path(sys.argv[1]), "taken"):
    multiprocessing.get_context("fork").Process(target=work).start()
    time.sleep(60)
"""


def test_a_killed_holder_leaves_no_lock_though_its_worker_lives_on(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    worker = int(holder.stdout.readline())
    try:
        with pytest.raises(CheckpointError, match=rf"taken \(process {holder.pid}\)"), locked(path, "taken"):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        os.kill(worker, 0)  # it is still there
        with locked(path, "taken"):
            assert path.read_text() == f"{os.getpid()}\n"
    finally:
        os.kill(worker, signal.SIGKILL)
        holder.stdout.close()

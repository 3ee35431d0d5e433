"""train, eval and predict as a user runs them, on tiny networks and pictures."""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing import active_children, parent_process
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from core.backend import Batch
from core.checkpoint import RunDirectory, load_checkpoint
from core.config import load_config
from core.data.doctor.examine import spread
from core.data.pipeline import TrainingSamples
from core.data.sampler import epoch_order
from core.errors import TrainingError
from tests.backends.conftest import ROOT, called, command, run, settings
from tests.test_eval_job import camvid
from tests.test_training import NumpyLearner, train
from tests.test_training import settings as training_settings


@pytest.fixture(scope="module")
def finished(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    directory = tmp_path_factory.mktemp("run") / "finished"
    run(backend, "train", *settings(), "--run", directory)
    return directory


def test_a_run_leaves_what_it_promises(finished: Path, backend: str) -> None:
    directory = RunDirectory(finished)
    records = directory.read_metrics()
    losses = [record["loss"] for record in records if "loss" in record]
    assert len(losses) == 8
    assert all(np.isfinite(losses))
    assert any("miou" in record for record in records)
    assert load_checkpoint(directory.last).iteration == 8
    assert len(list(directory.predictions.glob("*.png"))) == 2
    assert json.loads((finished / "environment.json").read_text())[0]["backend"] == backend
    assert not list(finished.glob(".*tmp"))


def test_the_loss_falls(backend: str, tmp_path: Path) -> None:
    called(backend, "train", *settings(train__iterations="40", optimizer__lr="0.1"), "--run", tmp_path / "run")
    losses = [r["loss"] for r in RunDirectory(tmp_path / "run").read_metrics() if "loss" in r]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:3])


def test_killed_and_resumed_is_bit_identical(finished: Path, backend: str, tmp_path: Path) -> None:
    """SIGKILL at a random moment, more than once; weights, optimizer and metrics end as if nothing had happened."""
    directory = tmp_path / "killed"
    first = [*settings(), "--run", directory]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for attempt in range(2):
        arguments = first if attempt == 0 else ["--run", directory, "--resume"]
        process = subprocess.Popen(
            command(backend, "train", *arguments), cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("iteration"):
                break
        time.sleep(random.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    called(backend, "train", "--run", directory, "--resume")
    whole, resumed = (load_checkpoint(RunDirectory(path).last) for path in (finished, directory))
    assert whole.iteration == resumed.iteration == 8
    for name, value in whole.weights.items():
        assert np.array_equal(value, resumed.weights[name]), name
    for name, value in whole.optimizer.items():
        assert np.array_equal(value, resumed.optimizer[name]), name
    assert RunDirectory(finished).read_metrics() == RunDirectory(directory).read_metrics()


def test_killed_before_its_first_checkpoint_a_run_keeps_the_weights_it_was_given(
    finished: Path, backend: str, tmp_path: Path
) -> None:
    given = ["--weights", finished / "best.safetensors"]
    start = [*settings(seed="3", train__iterations="3", train__checkpoint_interval="100"), *given]
    called(backend, "train", *start, "--run", tmp_path / "whole")
    process = subprocess.Popen(
        command(backend, "train", *start, "--run", tmp_path / "cut"),
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith("iteration 1/"))
    process.kill()
    process.wait()
    process.stdout.close()
    assert load_checkpoint(RunDirectory(tmp_path / "cut").last).iteration == 0
    called(backend, "train", "--run", tmp_path / "cut", "--resume")
    whole, cut = (load_file(RunDirectory(tmp_path / name).last) for name in ("whole", "cut"))
    assert sorted(whole) == sorted(cut)
    assert all(np.array_equal(value, cut[name]) for name, value in whole.items())


def test_workers_change_nothing(finished: Path, backend: str, tmp_path: Path) -> None:
    called(backend, "train", *settings(data__workers="2"), "--run", tmp_path / "run")
    expected, got = (load_file(RunDirectory(path).last) for path in (finished, tmp_path / "run"))
    assert all(np.array_equal(expected[name], got[name]) for name in expected)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_bad_picture_is_one_sentence_that_names_it(backend: str, tmp_path: Path, workers: str) -> None:
    names = "abcdefghijkl"
    root = camvid(tmp_path / "data", list(names), (72, 96))
    place = next(
        place for place in epoch_order(12, 0, 0) if place not in spread(12, 8)
    )  # which no look before the run sees
    bad = root / "train" / f"{names[place]}.png"
    bad.write_bytes(bad.read_bytes()[:-40])
    data = settings(data__options="{}", train__batch_size="2", data__workers=workers)
    data += ["--set", "data.dataset=camvid", "--set", f"data.root={root}"]
    result = called(backend, "train", *data, "--run", tmp_path / "run", expect=2)
    assert result.stderr.splitlines()[-1].startswith(f"error: {bad}: the file is cut short")
    assert "Traceback" not in result.stderr


class Deadly(TrainingSamples):
    """A worker that takes one of the samples from `deadly` on dies."""

    deadly = 2

    def __getitem__(self, item: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[override]
        if parent_process() is not None and item >= self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(item)


def test_a_worker_that_dies_is_one_sentence(backend: str, tmp_path: Path, module: Callable[[str], ModuleType]) -> None:
    config = load_config(None, settings()[1::2])
    samples = Deadly(config.open_dataset("train"), config.train_transform(), 0, 2, 4)
    with pytest.raises(TrainingError, match="the data loader failed"):
        list(module("data").load_batches(samples, 2, 2))


def test_a_worker_that_is_killed_leaves_a_run_that_goes_on(
    backend: str, tmp_path: Path, module: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    """One of two, in the middle; a numpy learner over the framework's own loader."""
    load_batches = module("data").load_batches

    class Loaded(NumpyLearner):
        kills = False

        def load_batches(self, samples: TrainingSamples, batch_size: int, workers: int) -> Iterator[Batch]:
            if self.kills:
                samples.__class__, samples.deadly = Deadly, 40  # of the 20th batch: a loader is a few ahead
            return load_batches(samples, batch_size, workers)

    class Killing(Loaded):
        kills = True

    def go(name: str, *arguments: str, learner: type = Loaded) -> int:
        return train(*arguments, "--run", tmp_path / name, learner=learner)

    options = training_settings("data.workers=2", "train.iterations=40", "train.eval_interval=0")
    before = set(active_children())
    assert go("cut", *options, learner=Killing) == 2
    gc.collect()
    for worker in set(active_children()) - before:
        worker.join(20)
    assert set(active_children()) <= before  # one left behind would hold the job's output open for ever
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert [line for line in said.splitlines() if line.startswith("error: the data loader failed: ")], said
    kept = load_checkpoint(RunDirectory(tmp_path / "cut").last)
    assert 3 <= kept.iteration < 40
    assert go("cut", "--resume", "--set", "data.workers=0") == 0
    assert go("whole", *options, "--set", "data.workers=0") == 0
    whole, cut = (load_checkpoint(RunDirectory(tmp_path / name).last).weights for name in ("whole", "cut"))
    assert all(np.array_equal(value, cut[name]) for name, value in whole.items())


def test_a_worker_that_dies_with_half_a_batch_written_is_one_sentence(
    backend: str, module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paddle's own look for dead workers waits for the other half for ever."""
    if backend != "paddle":
        pytest.skip("a fault of Paddle's loader, which sends whole arrays through a pipe")
    from paddle.io.dataloader.dataloader_iter import _DataLoaderIterMultiProcess as Loader

    loaders, start = [], Loader._init_workers
    monkeypatch.setattr(Loader, "_init_workers", lambda self: (loaders.append(self), start(self)))
    monkeypatch.setattr(module("data"), "GRACE", 6.0)

    class Deadly(TrainingSamples):
        def __getitem__(self, item: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[override]
            if parent_process() is not None and item >= 2:
                queue = loaders[0]._data_queue
                queue._wlock.acquire()
                os.write(queue._writer.fileno(), struct.pack("!i", 1000) + b"half")
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__getitem__(item)

    config = load_config(None, settings()[1::2])
    samples = Deadly(config.open_dataset("train"), config.train_transform(), 0, 2, 4)
    with pytest.raises(TrainingError, match="the data loader failed"):
        list(module("data").load_batches(samples, 2, 2))


def test_accumulation_has_the_same_first_loss(finished: Path, backend: str, tmp_path: Path) -> None:
    """Batch norm sees other batches, so only an architecture's first loss is close, not equal."""
    called(backend, "train", *settings(train__accumulation="2", train__iterations="1"), "--run", tmp_path / "run")
    expected, got = (RunDirectory(path).read_metrics()[0]["loss"] for path in (finished, tmp_path / "run"))
    assert got == pytest.approx(expected, rel=0.05)


def test_a_run_in_float64_resumes_in_float64(finished: Path, backend: str, tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    longer = settings(train__precision="float64", train__iterations="2")
    called(backend, "train", *longer, "--run", directory.path)
    checkpoint = load_checkpoint(directory.last)
    kept = {**checkpoint.weights, **checkpoint.optimizer}
    assert {array.dtype for array in kept.values()} == {np.dtype(np.float64)}
    assert any((array != array.astype(np.float32)).any() for array in kept.values())
    single, double = (RunDirectory(path).read_metrics()[0]["loss"] for path in (finished, directory.path))
    assert double == pytest.approx(single, rel=1e-2)  # MXNet draws other dropout masks in float64
    called(backend, "train", "--run", directory.path, "--resume", "--set", "train.iterations=3")
    losses = [record["loss"] for record in directory.read_metrics() if "loss" in record]
    assert len(losses) == 3
    assert load_checkpoint(directory.last).weights["head.classifier.weight"].dtype == np.float64


def test_an_existing_run_is_not_replaced_unasked(finished: Path, backend: str) -> None:
    before = (finished / "last.safetensors").read_bytes()
    result = called(backend, "train", *settings(), "--run", finished, expect=2)
    assert "already holds a run" in result.stderr
    assert (finished / "last.safetensors").read_bytes() == before


def test_a_loss_that_is_not_finite_stops_and_names_the_batch(backend: str, tmp_path: Path) -> None:
    result = called(
        backend, "train", *settings(optimizer__lr="1e30", train__iterations="20"), "--run", tmp_path / "run", expect=2
    )
    assert "the loss of iteration" in result.stderr
    assert "roadscape/train/" in result.stderr


def test_fine_tuning_leaves_classifiers_of_another_class_count_out(
    finished: Path, backend: str, tmp_path: Path
) -> None:
    result = called(
        backend,
        "train",
        *settings(model__num_classes="15", train__iterations="1"),
        *("--weights", finished / "best.safetensors", "--run", tmp_path / "run"),
    )
    assert "head.classifier.weight" in result.stderr
    tuned = load_file(tmp_path / "run" / "last.safetensors")
    assert tuned["head.classifier.weight"].shape[0] == 15


def test_weights_that_do_not_fit_are_refused_with_names(finished: Path, backend: str, tmp_path: Path) -> None:
    state = load_file(finished / "best.safetensors")
    del state["context.out.conv.weight"]
    save_file(state, tmp_path / "broken.safetensors")
    result = called(
        backend,
        "eval",
        *settings(),
        "--weights",
        tmp_path / "broken.safetensors",
        "--cfg",
        finished / "config.yaml",
        expect=2,
    )
    assert "context.out.conv.weight" in result.stderr


def test_eval_reports_metrics_and_protocol(finished: Path, backend: str, tmp_path: Path) -> None:
    result = called(
        backend, "eval", "--run", finished, "--json", tmp_path / "scores.json", "--save", tmp_path / "labels"
    )
    report = json.loads((tmp_path / "scores.json").read_text())
    assert "frequency-weighted IoU" in result.stdout
    assert report["pictures"] == 3
    assert report["protocol"]["protocol"]["scales"] == [1.0]
    assert 0 <= report["metrics"]["mean_iou"] <= 1
    assert len(list((tmp_path / "labels").glob("*.png"))) == 3
    best = max(r["miou"] for r in RunDirectory(finished).read_metrics() if "miou" in r)
    assert report["metrics"]["mean_iou"] == pytest.approx(best, abs=1e-12)


def test_eval_with_windows_scales_and_flip(finished: Path, backend: str, tmp_path: Path) -> None:
    protocol = [
        "evaluation.window=[64, 64]",
        "evaluation.stride=0.5",
        "evaluation.scales=[1.0, 1.25]",
        "evaluation.flip=true",
    ]
    overrides = [part for text in protocol for part in ("--set", text)]
    called(backend, "eval", "--run", finished, *overrides, "--json", tmp_path / "scores.json")
    assert json.loads((tmp_path / "scores.json").read_text())["protocol"]["protocol"]["flip"] is True


def test_predict_writes_labels_colours_and_overlays(finished: Path, backend: str, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    cv2.imwrite(str(pictures / "a.png"), noise)
    cv2.imwrite(str(pictures / "b.jpg"), noise)
    video = cv2.VideoWriter(str(tmp_path / "clip.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 5, (96, 64))
    for _ in range(3):
        video.write(noise[:64, :96])
    video.release()
    called(backend, "predict", "--run", finished, pictures, tmp_path / "clip.avi", "--out", tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert [f"{stem}_{kind}.png" for stem in "ab" for kind in ("color", "label", "overlay")] == names[:6]
    assert names[6:] == [*(f"clip_{i:06d}_label.png" for i in range(3)), "clip_overlay.mp4"]
    labels = cv2.imread(str(tmp_path / "out" / "a_label.png"), cv2.IMREAD_UNCHANGED)
    assert labels.shape == (80, 100)
    assert labels.max() < 11


def test_predict_from_the_weights_file_alone(finished: Path, backend: str, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 96, 3), np.uint8))
    called(
        backend, "predict", "--weights", finished / "best.safetensors", tmp_path / "a.png", "--out", tmp_path / "out"
    )
    assert (tmp_path / "out" / "a_overlay.png").exists()


@pytest.mark.parametrize(
    ("job", "arguments", "message"),
    [
        ("train", ["--set", "train.batchsize=2"], "Did you mean 'batch_size'"),
        ("train", ["--set", "data.dataset=camvid"], "data.root"),
        ("train", ["--device", "gpu:9"], "GPU"),
        ("train", ["--resume", "--run", "nowhere"], "holds no run"),
        ("eval", ["--weights", "nowhere.safetensors"], "nowhere.safetensors"),
        ("predict", ["nowhere.png", "--out", "o", "--run", "nowhere"], "holds no run"),
    ],
)
def test_mistakes_are_one_line(job: str, arguments: list[str], message: str, backend: str, tmp_path: Path) -> None:
    extra = ["--run", tmp_path / "run"] if job == "train" and "--run" not in arguments else []
    result = called(backend, job, *arguments, *extra, expect=2)
    assert result.stderr.startswith("error: ") or "\nerror: " in result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_help_is_worth_reading(backend: str) -> None:
    text = called(backend, "train", "--help").stdout
    for option in ("--cfg", "--set", "--resume", "--weights", "--device", "runs/<cfg name>"):
        assert option in text

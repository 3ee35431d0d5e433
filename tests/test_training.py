"""The training loop with a learner made of numpy: what it does must not depend on any framework."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from backends.jobs import train as train_job
from backends.jobs.cli import run
from core.backend import Backend, Batch
from core.checkpoint import RunDirectory, load_checkpoint
from core.config import load_config
from core.data import IGNORE, Sample
from core.data.datasets.roadscape import Roadscape
from core.data.pipeline import TrainingSamples, collate
from core.losses import Objective
from core.training import step_seed

SETTINGS = [
    "model.preset=fast_scnn_tiny",
    "data.options={size: [36, 48], train: 6, val: 2}",
    "transform.crop=[32, 48]",
    "train.batch_size=2",
    "train.iterations=7",
    "train.checkpoint_interval=3",
    "train.eval_interval=5",
    "train.log_interval=2",
]


class Constant:
    """Predicts class 0 everywhere."""

    def logits(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return np.zeros((len(images), 11, *size), np.float32)

    def labels(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return np.zeros((len(images), *size), np.uint8)


class HostOnly:
    """Devices of a framework without GPUs."""

    def version(self) -> str:
        return "numpy"

    def find_device(self, name: str) -> str:
        return name

    def is_gpu(self, name: str) -> bool:
        return False

    def device_memory_mib(self, name: str) -> float | None:
        return None


class NumpyLearner:
    """Its one moving weight adds up everything it is given, so any missed or doubled batch shows."""

    backend = "numpy"
    average = None
    fail_at: int | None = None

    def __init__(self, spec: object, config: object, device: str) -> None:
        self.state: dict[str, np.ndarray] = {}
        self.momentum: dict[str, np.ndarray] = {}
        self.steps = 0
        self.seen: list[tuple[int, float]] = []

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        self.state = {name: value.copy() for name, value in state.items()}
        self.momentum = {f"momentum_buffer.{name}": np.zeros_like(value) for name, value in state.items()}

    def get_state(self) -> dict[str, np.ndarray]:
        return self.state

    def set_optimizer_state(self, state: Mapping[str, np.ndarray], steps: int) -> None:
        self.momentum, self.steps = dict(state), steps

    def get_optimizer_state(self) -> dict[str, np.ndarray]:
        return self.momentum

    def load_batches(self, samples: TrainingSamples, batch_size: int, workers: int) -> Iterator[Batch]:
        for start in range(0, len(samples), batch_size):
            yield collate([samples[i] for i in range(start, start + batch_size)])

    def backward(self, images: Sequence[np.ndarray], objective: Objective, seed: int) -> list[float]:
        self.gradient = sum(float(x.sum()) for x in images) / objective.measure(0, objective.size).divisor + seed % 1000
        self.parts = len(images)
        if self.fail_at is not None and self.steps + 1 == self.fail_at:
            return [float("nan"), 1.0]
        return [self.gradient, 1.0]

    def update(self, lr: float) -> None:
        name = "head.classifier.bias"
        self.momentum[f"momentum_buffer.{name}"] = self.momentum[f"momentum_buffer.{name}"] * 0.9 + self.gradient
        self.state[name] = self.state[name] - lr * self.momentum[f"momentum_buffer.{name}"]
        self.steps += 1

    def wait(self) -> None:
        """Nothing is queued."""

    def predictor(self) -> Constant:
        return Constant()


def train(*arguments: object, learner: type = NumpyLearner) -> int:
    options = train_job.parser("numpy").parse_args([str(argument) for argument in arguments])
    backend = Backend("numpy", learner, lambda spec, state, device: Constant(), HostOnly())
    return run(lambda: train_job.job(options, backend))


def settings(*more: str) -> list[str]:
    return [part for text in [*SETTINGS, *more] for part in ("--set", text)]


def test_intervals_and_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(*settings(), "--run", tmp_path) == 0
    directory = RunDirectory(tmp_path)
    records = directory.read_metrics()
    assert [r["iteration"] for r in records if "loss" in r] == [1, 2, 3, 4, 5, 6, 7]
    assert [r["iteration"] for r in records if "miou" in r] == [5, 7]
    assert records[0]["loss"] == pytest.approx(records[0]["heads"][0] + 0.4 * records[0]["heads"][1])
    assert load_checkpoint(directory.last).iteration == 7
    assert load_checkpoint(directory.best).iteration == 5  # equal scores: the first is kept
    assert len(list(directory.predictions.glob("*.png"))) == 4
    assert "iteration 2/7" in capsys.readouterr().out


@pytest.mark.parametrize("stop", [1, 2, 4, 5, 7])
def test_an_interrupted_run_ends_like_an_uninterrupted_one(tmp_path: Path, stop: int) -> None:
    assert train(*settings(), "--run", tmp_path / "whole") == 0

    class Stopping(NumpyLearner):
        def update(self, lr: float) -> None:
            if self.steps + 1 == stop:
                raise KeyboardInterrupt
            super().update(lr)

    assert train(*settings(), "--run", tmp_path / "cut", learner=Stopping) == 130
    assert train("--run", tmp_path / "cut", "--resume") == 0
    whole, cut = (RunDirectory(tmp_path / name) for name in ("whole", "cut"))
    assert whole.read_metrics() == cut.read_metrics()
    a, b = load_checkpoint(whole.last), load_checkpoint(cut.last)
    assert all(np.array_equal(a.weights[n], b.weights[n]) for n in a.weights)
    assert all(np.array_equal(a.optimizer[n], b.optimizer[n]) for n in a.optimizer)
    assert len(json.loads((tmp_path / "cut" / "environment.json").read_text())) == 2


def test_accumulation_gives_the_parts_of_the_same_batch(tmp_path: Path) -> None:
    parts: list[int] = []

    class Counting(NumpyLearner):
        def update(self, lr: float) -> None:
            parts.append(self.parts)
            super().update(lr)

    assert (
        train(*settings("train.batch_size=4", "train.accumulation=2"), "--run", tmp_path / "a", learner=Counting) == 0
    )
    assert train(*settings("train.batch_size=4"), "--run", tmp_path / "b") == 0
    assert parts == [2] * 7
    first, second = (RunDirectory(tmp_path / name).read_metrics() for name in "ab")
    for one, other in zip(first, second):
        assert one.get("loss", 0) == pytest.approx(other.get("loss", 0), rel=1e-5)


def test_a_loss_that_is_not_finite_stops_before_the_weights_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Diverging(NumpyLearner):
        fail_at = 5

    assert train(*settings(), "--run", tmp_path, learner=Diverging) == 2
    message = capsys.readouterr().err
    assert "the loss of iteration 5 is nan" in message
    assert message.count("roadscape/train/") == 2
    assert load_checkpoint(RunDirectory(tmp_path).last).iteration == 3


def test_another_optimizer_cannot_take_the_state_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(*settings(), "--run", tmp_path) == 0
    assert train("--run", tmp_path, "--resume", "--set", "optimizer.name=adamw") == 2
    assert "may not change optimizer.name (sgd -> adamw)" in capsys.readouterr().err


def test_what_a_resume_changes_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The next resume needs no options, and everything that reads the run sees the same settings."""
    assert train(*settings(), "--run", tmp_path) == 0
    directory = RunDirectory(tmp_path)
    edited = tmp_path / "edited.yaml"
    edited.write_text("train: {iterations: 9, checkpoint_interval: 2}\n")
    assert train("--run", tmp_path, "--resume", "--cfg", edited) == 0
    assert load_checkpoint(directory.last).iteration == 9
    assert load_config(directory.config).train.iterations == 9
    assert train("--run", tmp_path, "--resume") == 0
    assert load_checkpoint(directory.last).iteration == 9
    before = directory.config.read_text()
    capsys.readouterr()
    assert train("--run", tmp_path, "--resume", "--set", "train.iterations=8") == 2
    assert "stands at iteration 9, train.iterations is 8" in capsys.readouterr().err
    edited.write_text("seed: 5\n")
    assert train("--run", tmp_path, "--resume", "--cfg", edited) == 2
    assert "may not change seed (0 -> 5)" in capsys.readouterr().err
    assert directory.config.read_text() == before


def test_a_run_records_the_normalisation_it_used(tmp_path: Path) -> None:
    assert train(*settings("train.iterations=1"), "--run", tmp_path / "first") == 0
    assert load_config(tmp_path / "first" / "config.yaml").transform.normalize == "imagenet"
    assert train(*settings("train.iterations=1", "transform.normalize=bgr_mean"), "--run", tmp_path / "own") == 0
    weights = tmp_path / "own" / "last.safetensors"
    assert train(*settings("train.iterations=1"), "--run", tmp_path / "tuned", "--weights", weights) == 0
    assert load_config(tmp_path / "tuned" / "config.yaml").transform.normalize == "bgr_mean"


def test_a_batch_without_labels_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = Roadscape._draw

    def unlabelled(self: Roadscape, index: int) -> Sample:
        sample = draw(self, index)
        return Sample(sample.image, np.full_like(sample.label, IGNORE), sample.name)

    monkeypatch.setattr(Roadscape, "_draw", unlabelled)
    assert train(*settings(), "--run", tmp_path) == 0
    said = capsys.readouterr().err
    assert said.count("WARNING: iteration") == 1
    assert "WARNING: iteration 1: every pixel of the batch is ignored" in said
    assert said.count("roadscape/train/") == 2  # the pictures of that batch
    assert "WARNING: roadscape/val: every pixel of its 2 pictures is ignored" in said
    for line in RunDirectory(tmp_path).metrics.read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.num_classes=5", "has 11 classes"),
        ("train.batch_size=1", "at least 2"),
        ("transform.crop=[16, 48]", "at least 32"),
        ("loss.class_weights=[1, 2]", "2 values, the network 11"),
    ],
)
def test_what_cannot_work_is_said_before_the_run_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str, message: str
) -> None:
    assert train(*settings(setting), "--run", tmp_path / "run") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_step_seeds_differ_and_repeat() -> None:
    seeds = [step_seed(0, i) for i in range(1000)]
    assert len(set(seeds)) == 1000
    assert seeds == [step_seed(0, i) for i in range(1000)]
    assert step_seed(1, 0) not in seeds[:10]
    assert all(0 <= seed < 2**31 for seed in seeds)

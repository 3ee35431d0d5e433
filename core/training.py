"""The training loop: what a run does, whatever the framework. A backend brings a `Learner`.

Killing a run at any moment loses the work since its last checkpoint and nothing else; resumed, it does bit for bit what
it would have done (same framework, CPU): the data order depends on the iteration, random numbers are seeded anew in
each iteration, and a checkpoint holds weights, batch-norm statistics and the optimizer's state.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from tqdm import tqdm

from core.arch import Spec
from core.checkpoint import Checkpoint, RunDirectory, load_checkpoint, save_checkpoint
from core.config import Config, dump_config, load_config
from core.data import Dataset
from core.data.datasets.images import colorize
from core.data.pipeline import TrainingSamples
from core.errors import CheckpointError, ConfigError, TrainingError
from core.evaluation import Evaluation, Predictor, evaluate
from core.initialize import initial_state
from core.schema import to_plain
from core.tracking import Tracker
from core.visualize import side_by_side, write_png
from weights_convert import load_weights

Batch = tuple[np.ndarray, np.ndarray]  # images float32 [N, 3, H, W], labels int64 [N, H, W]


class Learner(Protocol):
    """A network with its loss and optimizer, of any framework."""

    backend: ClassVar[str]

    def __init__(self, spec: Spec, config: Config, device: str) -> None: ...

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Weights and batch-norm statistics by canonical name."""

    def get_state(self) -> dict[str, np.ndarray]: ...

    def set_optimizer_state(self, state: Mapping[str, np.ndarray], steps: int) -> None:
        """The optimizer's tensors by `<slot>.<canonical name>`, and the number of steps done."""

    def get_optimizer_state(self) -> dict[str, np.ndarray]: ...

    def load_batches(self, samples: TrainingSamples, batch_size: int, workers: int) -> Iterator[Batch]:
        """Batches of `batch_size` consecutive samples, through the framework's own loader."""

    def backward(self, parts: Sequence[Batch], divisor: float, seed: int) -> list[float]:
        """The gradients of the whole batch, given in parts; each head's loss, main head first. Sets the random seed."""

    def update(self, lr: float) -> None:
        """One optimizer step (with gradient clipping, if configured)."""

    def wait(self) -> None:
        """Returns when all that was asked for is done: frameworks queue work, MXNet even on a processor."""

    def predictor(self) -> Predictor:
        """The network as it is now, in inference mode."""


@dataclass
class Run:
    """A run in progress."""

    config: Config
    spec: Spec
    learner: Learner
    directory: RunDirectory
    train_set: Dataset
    val_set: Dataset
    iteration: int = 0
    best: float = -1.0

    def metadata(self) -> dict[str, str]:
        """What stands in a checkpoint beside the tensors."""
        return {
            "preset": self.config.model.preset,
            "overrides": json.dumps(self.config.model.overrides),
            "num_classes": str(self.spec.num_classes),
            "dataset": self.train_set.name,
            "classes": json.dumps(self.train_set.classes),
            "normalization": json.dumps(to_plain(self.config.transform.normalize)),
            "origin": f"segparity {self.learner.backend}",
            "config": dump_config(self.config),
            "optimizer": self.config.optimizer.name,
            "best": repr(self.best),
        }

    def save_last(self) -> None:
        weights, optimizer = self.learner.get_state(), self.learner.get_optimizer_state()
        save_checkpoint(self.directory.last, Checkpoint(weights, optimizer, self.iteration, self.metadata()))

    def save_best(self) -> None:
        weights = self.learner.get_state()
        save_checkpoint(self.directory.best, Checkpoint(weights, {}, self.iteration, self.metadata()))


def step_seed(seed: int, iteration: int) -> int:
    """The seed of the framework's random numbers (dropout) in one iteration, below 2**31."""
    return int(np.random.SeedSequence([seed, iteration]).generate_state(1)[0] >> 1)


def training_job(arguments: argparse.Namespace, learner_type: Callable[..., Learner]) -> None:
    """The `train` command."""
    config, directory = _config_and_directory(arguments, learner_type.backend)  # type: ignore[attr-defined]
    train_set, val_set = config.open_dataset(config.data.train), config.open_dataset(config.data.val)
    spec = config.spec(train_set.num_classes)
    _check(config, spec, train_set)
    learner = learner_type(spec, config, arguments.device)
    run = Run(config, spec, learner, directory, train_set, val_set)
    if arguments.resume:
        _resume(run)
        directory.add_environment(environment(learner.backend))
    else:
        directory.create(dump_config(config), environment(learner.backend), overwrite=arguments.overwrite)
        _start(run, arguments)
    print(dump_config(config), end="")
    train(run)


def _config_and_directory(arguments: argparse.Namespace, backend: str) -> tuple[Config, RunDirectory]:
    name = arguments.cfg.stem if arguments.cfg is not None else "run"
    directory = RunDirectory(arguments.run or Path("runs") / f"{name}-{backend}")
    if not arguments.resume:
        return load_config(arguments.cfg, arguments.overrides), directory
    if arguments.weights is not None:
        raise ConfigError("--resume and --weights exclude each other: a resumed run has its weights")
    directory.open()
    return load_config(directory.config, arguments.overrides), directory


def _check(config: Config, spec: Spec, train_set: Dataset) -> None:
    """What would otherwise fail only after the first batch."""
    height, width = config.transform.crop
    spec.check_input(height, width)
    spec.check_batch(config.train.batch_size // config.train.accumulation, height, width)
    if spec.num_classes < train_set.num_classes:
        raise ConfigError(
            f"model.num_classes is {spec.num_classes}, data set {train_set.name!r} has {train_set.num_classes} classes"
        )
    weights = config.loss.class_weights
    if weights is not None and len(weights) != spec.num_classes:
        raise ConfigError(f"loss.class_weights has {len(weights)} values, the network {spec.num_classes} outputs")


def _start(run: Run, arguments: argparse.Namespace) -> None:
    """Initial weights: from the seed, or from a file where it has them."""
    state = initial_state(run.spec.parameters(), run.config.seed)
    if arguments.weights is not None:
        loaded = load_weights(arguments.weights, run.spec, origin=arguments.origin, fine_tune=True)
        print(loaded.summary(), file=sys.stderr)
        state |= loaded.state
    run.learner.set_state(state)


def _resume(run: Run) -> None:
    """Takes the run up where its last checkpoint stands, whichever backend wrote it."""
    if not run.directory.last.exists():
        run.learner.set_state(initial_state(run.spec.parameters(), run.config.seed))
        print(f"{run.directory.path}: no checkpoint yet, starting at iteration 0", file=sys.stderr)
        run.directory.forget_metrics_after(0)
        return
    checkpoint = load_checkpoint(run.directory.last)
    written = checkpoint.metadata.get("optimizer")
    if written != run.config.optimizer.name:
        raise CheckpointError(
            f"{run.directory.last}: holds the state of optimizer {written!r}, the configuration asks for "
            f"{run.config.optimizer.name!r}"
        )
    run.learner.set_state(checkpoint.weights)
    run.learner.set_optimizer_state(checkpoint.optimizer, checkpoint.iteration)
    run.iteration = checkpoint.iteration
    run.best = float(checkpoint.metadata["best"])
    run.directory.forget_metrics_after(run.iteration)
    origin = checkpoint.metadata.get("origin", "")
    print(f"resuming at iteration {run.iteration} from {run.directory.last} ({origin})", file=sys.stderr)


def train(run: Run) -> None:
    """From the run's iteration to its last one. Raises TrainingError on a loss that is not finite."""
    config, options, learner = run.config, run.config.train, run.learner
    samples = TrainingSamples(
        run.train_set, config.train_transform(), config.seed, options.batch_size, options.iterations, run.iteration
    )
    schedule = config.learning_rate()
    tracker = Tracker(run.directory.metrics, config.logging, run.directory.path.name, to_plain(config))
    batches = learner.load_batches(samples, options.batch_size // options.accumulation, config.data.workers)
    bar = tqdm(total=options.iterations, initial=run.iteration, desc="train", disable=None, dynamic_ncols=True)
    clock = time.perf_counter()
    try:
        while run.iteration < options.iterations:
            parts = [next(batches) for _ in range(options.accumulation)]
            divisor = config.loss.divisor(np.concatenate([labels for _, labels in parts]))
            lr = schedule(run.iteration)
            losses = learner.backward(parts, divisor, step_seed(config.seed, run.iteration))
            total = losses[0] + config.loss.auxiliary_weight * sum(losses[1:])
            _require_finite(total, run, samples)
            learner.update(lr)
            run.iteration += 1
            tracker.add(run.iteration, {"loss": total, "lr": lr, "heads": losses})
            bar.update()
            if _due(run.iteration, options.log_interval, options.iterations):
                seconds, clock = time.perf_counter() - clock, time.perf_counter()
                _log(bar, f"iteration {run.iteration}/{options.iterations}  loss {total:.4f}  lr {lr:.2e}", seconds)
                tracker.flush()
            if _due(run.iteration, options.eval_interval, options.iterations):
                _validate(run, tracker, bar)
                clock = time.perf_counter()
            if _due(run.iteration, options.checkpoint_interval, options.iterations):
                tracker.flush()
                run.save_last()
    finally:
        bar.close()
        tracker.close()


def _due(iteration: int, interval: int, last: int) -> bool:
    return iteration == last or (interval > 0 and iteration % interval == 0)


def _log(bar: Any, line: str, seconds: float) -> None:
    if bar.disable:
        print(f"{line}  ({seconds:.1f} s)", flush=True)
    else:
        bar.set_postfix_str(line.split("  ", 1)[1])


def _require_finite(loss: float, run: Run, samples: TrainingSamples) -> None:
    """Before the weights are touched: the last checkpoint and the network stay as they were."""
    if not math.isfinite(loss):
        first = samples.start_iteration
        names = samples.batch_names(run.iteration) if run.iteration >= first else []
        raise TrainingError(
            f"the loss of iteration {run.iteration + 1} is {loss}; the batch: {', '.join(names)}. The weights of "
            "iteration "
            f"{run.iteration} are untouched. Lower optimizer.lr, set train.clip_norm, or look at these pictures"
        )


def _validate(run: Run, tracker: Tracker, bar: Any) -> None:
    """Scores the validation split, keeps sample predictions and the best weights."""
    wanted = run.config.train.sample_predictions

    def keep(index: int, label: np.ndarray, prediction: np.ndarray) -> None:
        if index < wanted:
            _save_sample(run, index, label, prediction)

    result: Evaluation = evaluate(
        run.val_set,
        run.config.eval_transform(),
        run.config.evaluation,
        run.learner.predictor(),
        run.spec.num_classes,
        metrics=run.config.metrics,
        keep=keep,
    )
    scores = result.scores
    figures = {"miou": scores.mean_iou, "pixel_accuracy": scores.pixel_accuracy, "mean_accuracy": scores.mean_accuracy}
    tracker.add(run.iteration, {**figures, "iou": list(scores.iou)})
    text = f"iteration {run.iteration}  mIoU {scores.mean_iou:.4f}  pixel accuracy {scores.pixel_accuracy:.4f}"
    tqdm.write(f"{text}  ({run.val_set.name}/{run.val_set.split}, {result.pictures} pictures)")
    if scores.mean_iou > run.best:
        run.best = scores.mean_iou
        run.save_best()


def _save_sample(run: Run, index: int, label: np.ndarray, prediction: np.ndarray) -> None:
    folder = run.directory.predictions
    folder.mkdir(parents=True, exist_ok=True)
    image = run.val_set[index].image
    palette = run.val_set.palette
    pictures = [image, colorize(label, palette), colorize(prediction, palette)]
    if prediction.shape != label.shape:
        pictures = pictures[:2]
    name = Path(run.val_set.name_of(index)).stem
    picture = side_by_side(pictures, ["picture", "ground truth", run.learner.backend][: len(pictures)])
    write_png(str(folder / f"{run.iteration:06d}_{name}.png"), picture)


def environment(backend: str) -> dict[str, Any]:
    """Versions and machine, for environment.json."""
    versions = {}
    for package in ("segparity", "numpy", "opencv-python-headless", "torch", "paddlepaddle", "mxnet"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "backend": backend,
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
    }

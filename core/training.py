"""The training loop: what a run does, whatever the framework. A backend brings a `Learner`.

Killing a run at any moment loses the work since its last checkpoint and nothing else; resumed, it does bit for bit what
it would have done (same framework, CPU): the data order depends on the iteration, random numbers are seeded anew in
each iteration, and a checkpoint holds weights, batch-norm statistics and the optimizer's state.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from core.arch import Spec
from core.backend import Learner
from core.checkpoint import Checkpoint, RunDirectory, save_checkpoint
from core.config import Config, dump_config
from core.data import Dataset
from core.data.datasets.images import colorize
from core.data.pipeline import TrainingSamples
from core.errors import TrainingError
from core.evaluation.scoring import Evaluation, evaluate
from core.schema import to_plain
from core.tracking import Tracker
from core.visualize import side_by_side, write_png


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

"""The validation of a run: its scores, its best weights, the pictures that it shows."""

from __future__ import annotations

import sys
import traceback
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from core.data.datasets.images import colorize
from core.errors import SegParityError, TrainingError
from core.evaluation.scoring import Evaluation, evaluate
from core.files import naming
from core.run import Run
from core.shard import Lost
from core.tracking import Tracker
from core.visualize import confusion_picture, side_by_side, write_png


def validate(run: Run, tracker: Tracker, bar: Any) -> None:
    """Scores the validation split and keeps the best weights. What goes wrong is said; only at the end it is raised."""
    try:
        result = _score(run)
    except Lost:
        raise  # nobody is left to go on with
    except Exception as error:
        if not isinstance(error, SegParityError):
            traceback.print_exc()
        message = (
            f"the validation of iteration {run.iteration} failed: {error}. The weights stand in {run.directory.last}"
        )
        if run.iteration == run.config.train.iterations:
            raise TrainingError(f"{message}; validate them with --resume") from error
        if run.directory.writes:
            tqdm.write(f"error: {message}; the training goes on", file=sys.stderr)
        return
    scores = result.scores
    if scores.mean_iou > run.best:
        run.best = scores.mean_iou
        run.save_best()
    figures = {"miou": scores.mean_iou, "pixel_accuracy": scores.pixel_accuracy, "mean_accuracy": scores.mean_accuracy}
    run.scored = run.iteration
    if not run.directory.writes:
        return
    tracker.add(run.iteration, {**figures, "iou": list(scores.iou)})
    tracker.evaluated(
        run.iteration, result.confusion, {run.val_set.name_of(i): iou for i, iou in result.picture_iou.items()}
    )
    _show(run, tracker, result)
    tracker.flush()
    text = f"iteration {run.iteration}  mIoU {scores.mean_iou:.4f}  pixel accuracy {scores.pixel_accuracy:.4f}"
    tqdm.write(f"{text}  ({run.val_set.name}/{run.val_set.split}, {result.pictures} pictures)")


def _score(run: Run) -> Evaluation:
    """The scores of the validation split; sample predictions are written."""
    wanted = run.config.train.sample_predictions

    def keep(index: int, label: np.ndarray, prediction: np.ndarray) -> None:
        if index < wanted:
            _save_sample(run, index, label, prediction)

    return evaluate(
        run.val_set,
        run.config.eval_transform(),
        run.config.evaluation,
        run.learner.predictor(),
        run.spec,
        metrics=run.config.metrics,
        keep=keep,
        worst=run.config.train.worst_pictures,
        processes=run.processes,
    )


def _show(run: Run, tracker: Tracker, result: Evaluation) -> None:
    """The worst pictures replace those of the evaluation before; whoever listens gets them and the confusion matrix."""
    folder, palette = run.directory.worst, run.val_set.palette
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stale = list(folder.glob("*.png"))
    for rank, judged in enumerate(result.worst, start=1):
        image = run.val_set[judged.index].image
        maps = [colorize(judged.label, palette), colorize(judged.prediction, palette)]
        if image.shape[:2] != judged.label.shape:
            image = cv2.resize(image, judged.label.shape[::-1], interpolation=cv2.INTER_AREA)
        names = [f"IoU {100 * judged.iou:.1f}", "ground truth", run.learner.backend]
        picture = side_by_side([image, *maps], names)
        path = folder / f"{run.iteration:06d}_{rank:02d}_{run.val_set.name_of(judged.index)}.png"
        write_png(path, picture)
        stale = [old for old in stale if old != path]
        tracker.show(run.iteration, f"worst/{rank}", picture)
    with naming(folder):
        for old in stale:
            old.unlink()
    if tracker.shows:
        tracker.show(run.iteration, "confusion", confusion_picture(result.confusion, run.val_set.classes))


def _save_sample(run: Run, index: int, label: np.ndarray, prediction: np.ndarray) -> None:
    folder = run.directory.predictions
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
    image = run.val_set[index].image
    palette = run.val_set.palette
    pictures = [image, colorize(label, palette), colorize(prediction, palette)]
    if prediction.shape != label.shape:
        pictures = pictures[:2]
    picture = side_by_side(pictures, ["picture", "ground truth", run.learner.backend][: len(pictures)])
    write_png(folder / f"{run.iteration:06d}_{run.val_set.name_of(index)}.png", picture)

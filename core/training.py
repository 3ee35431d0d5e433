"""The training loop: what a run does, whatever the framework. A backend brings a `Learner`.

Killing a run at any moment loses the work since its last checkpoint and nothing else; resumed, it does bit for bit what
it would have done (same framework, CPU): the data order depends on the iteration, random numbers are seeded anew in
each iteration, and a checkpoint holds weights, batch-norm statistics and the optimizer's state.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from core.arch import Spec
from core.config import Config, TrainConfig
from core.data import IGNORE, Dataset
from core.data.datasets.base import few_classes
from core.data.doctor.diagnosis import require_sound
from core.data.pipeline import TrainingSamples, count_pixels, readable_label
from core.data.skipping import Skipped
from core.errors import ConfigError, TrainingError
from core.evaluation.scoring import check_evaluation, output_names
from core.losses import ClassCounts, Objective, count_classes, resolve_terms
from core.pace import Lap, Pace
from core.run import Run
from core.schema import to_plain
from core.shard import SINGLE, Shard, total
from core.tracking import Silent, Tracker, check_logging
from core.validation import validate


def step_seed(seed: int, iteration: int, rank: int = 0) -> int:
    """The seed of the framework's random numbers (dropout) in one iteration of one process, below 2**31."""
    entropy = [seed, iteration, rank] if rank else [seed, iteration]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)


def check_run(config: Config, spec: Spec, train_set: Dataset, val_set: Dataset) -> None:
    """What would otherwise fail only after the first batch, or after the last. The first picture of each split is read.

    Raises SpecError, ConfigError, DataError.
    """
    height, width = config.transform.crop
    spec.check_input(height, width)
    spec.check_batch(config.train.batch_size // config.train.accumulation, height, width)
    if spec.num_classes < train_set.num_classes:
        raise ConfigError(
            f"model.num_classes is {spec.num_classes}, data set {train_set.name!r} has {train_set.num_classes} classes"
        )
    resolve_terms(spec, config.loss)
    check_logging(config.logging)
    require_sound(config, train_set, val_set)
    _ = _samples(config, train_set, 0)[0]
    _warn_few_classes(train_set, config.data.skips)
    check_evaluation(val_set, config.eval_transform(), config.evaluation, spec, config.metrics)
    if config.train.sample_predictions or config.train.worst_pictures:
        output_names(val_set)


def _warn_few_classes(dataset: Dataset, skips: bool, count: int = 8) -> None:
    """Says that only one class, or none, is labelled in `count` label maps spread over a split of files."""
    if not dataset.reads_root:
        return
    places = np.unique(np.linspace(0, len(dataset) - 1, min(count, len(dataset))).astype(int))
    found = (readable_label(dataset, int(place), skips) for place in places)
    labels = [label for label in found if label is not None]
    warning = few_classes(
        count_classes(labels, dataset.num_classes).pixels, dataset, f"the {len(labels)} label maps looked at"
    )
    if warning:
        print(f"WARNING: {warning}", file=sys.stderr)


def _samples(
    config: Config,
    dataset: Dataset,
    start: int,
    shard: Shard = SINGLE,
    counts: np.ndarray | None = None,
    noted: Path | None = None,
) -> TrainingSamples:
    """The samples of the run of `config` from iteration `start` on, one process's share. What is skipped is `noted`."""
    options = config.train
    return TrainingSamples(
        dataset,
        config.train_transform(),
        config.seed,
        options.batch_size,
        options.iterations,
        start,
        shard,
        options.accumulation,
        config.data.sampling,
        counts,
        Skipped(noted) if config.data.skips else None,
    )


def _counts(run: Run) -> ClassCounts | None:
    """The labels of the training set, where class weights are made of them."""
    if not run.config.loss.needs_counts():
        return None
    if run.directory.writes:
        where = f"{run.train_set.name}/{run.train_set.split}"
        print(f"counting the labels of {where} for loss.class_weights", file=sys.stderr)
    mine, skips = run.processes.shard.share(len(run.train_set)), run.config.data.skips
    labels = (readable_label(run.train_set, index, skips) for index in mine)
    counts = count_classes((label for label in labels if label is not None), run.spec.num_classes)
    return ClassCounts(run.processes.sum(counts.pixels), run.processes.sum(counts.around))


def _pixels(run: Run) -> np.ndarray | None:
    """int64 [N, C]: the pixels of each class in each training sample, where data.sampling draws classes."""
    if run.config.data.sampling.kind == "each":
        return None
    dataset, mine = run.train_set, run.processes.shard.share(len(run.train_set))
    if run.directory.writes:
        print(f"counting the labels of {dataset.name}/{dataset.split} for data.sampling", file=sys.stderr)
    counts = np.zeros((len(dataset), dataset.num_classes), np.int64)
    counts[mine.start : mine.stop] = count_pixels(dataset, mine, run.config.data.skips)
    return run.processes.sum(counts)


def train(run: Run) -> None:
    """From the run's iteration to its last one, validating on the way.

    A validation that fails is reported and the run goes on: its weights were saved before. Raises TrainingError on a
    loss that is not finite, and if the last validation failed; OutputError if the disk takes no more.
    """
    config, options, learner = run.config, run.config.train, run.learner
    processes, leads = run.processes, run.processes.shard.leads
    tracker = Tracker(run.directory, config.logging, to_plain(config), run.val_set.classes) if leads else Silent()
    pace = Pace(run.iteration, options.iterations, options.batch_size, lambda done: _validations_after(options, done))
    hidden = None if leads else True  # None: where the output is no terminal
    bar = tqdm(total=options.iterations, initial=run.iteration, desc="train", disable=hidden, dynamic_ncols=True)
    try:
        if run.iteration > run.scored and _due(run.iteration, options.eval_interval, options.iterations):
            validate(run, tracker, bar)  # it was stopped between its checkpoint and the end of the validation
        if run.iteration == options.iterations:
            return
        samples = _samples(config, run.train_set, run.iteration, processes.shard, _pixels(run), run.directory.skipped)
        schedule = config.learning_rate()
        costs = resolve_terms(run.spec, config.loss, _counts(run))
        batches = learner.load_batches(samples, len(samples.share), config.data.workers)
        while run.iteration < options.iterations:
            with pace.waiting():
                parts = [next(batches) for _ in range(options.accumulation)]
            labels = [labels for _, labels in parts]
            run.warned = run.warned or _warn_unlabelled(run, labels, samples)
            objective = Objective(costs, labels, run.spec.align_corners, processes)
            lr, seed = schedule(run.iteration), step_seed(config.seed, run.iteration, processes.shard.rank)
            losses = learner.backward([images for images, _ in parts], objective, seed)
            loss = objective.total(losses)
            _require_finite(loss, run, samples)
            learner.update(lr)
            run.iteration += 1
            tracker.add(run.iteration, {"loss": loss, "lr": lr, "heads": losses})
            bar.update()
            if leads and _due(run.iteration, options.log_interval, options.iterations):
                lap = pace.lap(run.iteration)
                _log(bar, f"iteration {run.iteration}/{options.iterations}  loss {loss:.4f}  lr {lr:.2e}", lap)
                tracker.time(run.iteration, lap)
                tracker.flush()
                _tell_skipped(run, samples)
            scores = _due(run.iteration, options.eval_interval, options.iterations)
            if scores or _due(run.iteration, options.checkpoint_interval, options.iterations):
                with pace.apart():
                    tracker.flush()
                    run.save_last()
            if scores:
                with pace.apart(validation=True):
                    validate(run, tracker, bar)
    finally:
        bar.close()
        tracker.close()


def _tell_skipped(run: Run, samples: TrainingSamples) -> None:
    """How many pictures could not be read so far, whenever there are more."""
    found = {} if samples.skipped is None else samples.skipped.all()
    if len(found) > run.skipped:
        run.skipped = len(found)
        location, reason = next(iter(found.items()))
        said = reason if location in reason else f"{location}: {reason}"
        tqdm.write(
            f"WARNING: {len(found)} training pictures cannot be read and are left out (data.unreadable: skip), listed "
            f"in {run.directory.skipped}; the first: {said}",
            file=sys.stderr,
        )


def _warn_unlabelled(run: Run, labels: list[np.ndarray], samples: TrainingSamples) -> bool:
    """Says that a batch has no labelled pixel, and returns whether it has none."""
    if total(run.processes, any((part != IGNORE).any() for part in labels)):
        return False
    if not run.directory.writes:
        return True
    names = ", ".join(samples.batch_names(run.iteration))
    text = "every pixel of the batch is ignored (label 255), its loss is 0 and nothing is learnt from it"
    tqdm.write(f"WARNING: iteration {run.iteration + 1}: {text} (said once): {names}", file=sys.stderr)
    return True


def _due(iteration: int, interval: int, last: int) -> bool:
    return iteration == last or (interval > 0 and iteration % interval == 0)


def _validations_after(options: TrainConfig, iteration: int) -> int:
    """How many validations are due after `iteration`, the one at the end included."""
    if iteration >= options.iterations:
        return 0
    if options.eval_interval == 0:
        return 1
    return -(-options.iterations // options.eval_interval) - iteration // options.eval_interval


def _log(bar: Any, line: str, lap: Lap) -> None:
    if bar.disable:
        print(f"{line}  ({lap.seconds:.1f} s, {lap})", flush=True)
    else:
        bar.set_postfix_str(f"{line.split('  ', 1)[1]}  {lap}")


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

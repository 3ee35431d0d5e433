"""The `train` job."""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path
from typing import Any

from backends.jobs.cli import job_parser
from backends.jobs.options import file_path
from core.arch import Spec
from core.backend import Backend
from core.checkpoint import RunDirectory, load_checkpoint
from core.config import Config, dump_config, load_config
from core.data import Dataset
from core.description import package_versions
from core.errors import CheckpointError, ConfigError
from core.initialize import initial_state
from core.training import Run, train
from weights_convert import load_weights


def parser(backend: str) -> argparse.ArgumentParser:
    command = job_parser(
        backend,
        "train",
        f"Train a network natively in {backend}.\n\nA run is a directory: configuration, metrics, checkpoints, sample "
        "predictions. Kill it at any\nmoment and continue with --resume; a run begun in another backend continues too.",
    )
    command.add_argument(
        "--run", type=file_path, metavar="DIR", help="the run's directory (default: runs/<cfg name>-<backend>)"
    )
    command.add_argument("--resume", action="store_true", help="continue the run from its last checkpoint")
    command.add_argument("--overwrite", action="store_true", help="replace a run that is already in the directory")
    command.add_argument(
        "--weights",
        type=file_path,
        metavar="FILE",
        help="start from these weights; classifiers of another class count are left out",
    )
    command.add_argument(
        "--from", dest="origin", metavar="ORIGIN", help="the repository the weights come from, if not plain"
    )
    return command


def job(arguments: argparse.Namespace, backend: Backend) -> None:
    """The `train` command."""
    config, directory = _config_and_directory(arguments, backend.name)
    train_set, val_set = config.open_dataset(config.data.train), config.open_dataset(config.data.val)
    spec = config.spec(train_set.num_classes)
    _check(config, spec, train_set)
    learner = backend.learner(spec, config, arguments.device)
    run = Run(config, spec, learner, directory, train_set, val_set)
    if arguments.resume:
        _resume(run)
        directory.add_environment(environment(backend.name))
    else:
        directory.create(dump_config(config), environment(backend.name), overwrite=arguments.overwrite)
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


def environment(backend: str) -> dict[str, Any]:
    """Versions and machine, for environment.json."""
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "backend": backend,
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": package_versions(),
    }

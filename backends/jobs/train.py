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
from backends.jobs.weights import with_normalization
from core.backend import Backend
from core.checkpoint import RunDirectory
from core.config import Config, dump_config, load_config
from core.description import package_versions
from core.errors import ConfigError
from core.initialize import initial_state
from core.resume import resumed_config, store_config
from core.run import Run, resume
from core.shard import barrier
from core.split import check_split, describe, describe_recipe
from core.training import check_run, train
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
    """All is checked and loaded before the run's directory is touched."""
    name = arguments.cfg.stem if arguments.cfg is not None else "run"
    leads = backend.connect().shard.leads
    directory = RunDirectory(arguments.run or Path("runs") / f"{name}-{backend.name}", writes=leads)
    if arguments.resume:
        directory.open()
        with directory.lock():
            _resume(arguments, backend, directory)
    else:
        _start(arguments, backend, directory)
    backend.connect().leave()


def _start(arguments: argparse.Namespace, backend: Backend, directory: RunDirectory) -> None:
    """A new run, with weights from the seed, or from a file where it has them."""
    directory.check_free(arguments.overwrite)
    barrier(backend.connect())  # before one of several processes writes there
    run = _build(load_config(arguments.cfg, arguments.overrides), arguments.device, backend, directory)
    state, loaded = initial_state(run.spec.parameters(), run.config.seed), None
    if arguments.weights is not None:
        loaded = load_weights(arguments.weights, run.spec, origin=arguments.origin, fine_tune=True)
        if directory.writes:
            print(loaded.summary(), file=sys.stderr)
        state |= loaded.state
    run.config = with_normalization(run.config, loaded)
    run.learner.set_state(state)
    config = dump_config(run.config)
    with directory.lock():
        directory.create(config, environment(backend.name), run.checkpoint(), overwrite=arguments.overwrite)
        _announce(run, config)
        train(run)


def _resume(arguments: argparse.Namespace, backend: Backend, directory: RunDirectory) -> None:
    if arguments.weights is not None:
        raise ConfigError("--resume and --weights exclude each other: a resumed run has its weights")
    config = resumed_config(directory, arguments.cfg, arguments.overrides)
    run = _build(config, arguments.device, backend, directory)
    resume(run)
    store_config(directory, config)
    directory.add_environment(environment(backend.name))
    if directory.writes:
        print(f"resuming at iteration {run.iteration} from {directory.last}", file=sys.stderr)
    _announce(run, dump_config(run.config))
    train(run)


def _announce(run: Run, config: str) -> None:
    """The configuration on standard output, and how the run is split."""
    if run.directory.writes:
        print(config, end="")
        for line in (
            describe(run.processes.shard, run.config.train),
            *describe_recipe(run.processes.shard, run.config),
        ):
            print(line, file=sys.stderr)


def _build(config: Config, device: str, backend: Backend, directory: RunDirectory) -> Run:
    """The run of `config`, checked, its network not yet filled."""
    train_set, val_set = config.open_training_set(), config.open_dataset(config.data.val)
    spec = config.segmenter(train_set.num_classes)
    check_run(config, spec, train_set, val_set)
    processes = backend.connect()
    check_split(config.train, processes.shard.world)
    learner = backend.learner(spec, config, device)
    return Run(config, spec, learner, directory, train_set, val_set, processes)


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

"""From `python -m backends.<name>.<job>` to the job: what the doors have in common."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from backends.jobs.cli import run
from core.arch import Spec
from core.backend import Backend, Learner
from core.config import Config
from core.description import runtimes
from core.errors import ConfigError

SHARED = ("train", "eval")  # what several processes do together


def load_backend(name: str) -> Backend:
    """The backend in `backends/<name>/`; imports its framework."""
    inference, device = (importlib.import_module(f"backends.{name}.{module}") for module in ("inference", "device"))
    if name in runtimes():
        return Backend(name, _refuse, inference.Predictor, device, stored=inference.Predictor.stored)
    learner = importlib.import_module(f"backends.{name}.learner")
    connect = importlib.import_module(f"backends.{name}.distributed").connect
    return Backend(name, learner.Learner, inference.Predictor, device, connect)


def _refuse(spec: Spec, config: Config, device: str) -> Learner:
    raise ConfigError("this backend only runs networks; train with backends.torch, backends.paddle or backends.mxnet")


def door(file: str) -> Callable[..., int]:
    """The `main` of the module at `file`, backends/<name>/<job>.py: arguments in (sys.argv by default), status out."""
    name, job = Path(file).parent.name, Path(file).stem

    def main(arguments: Sequence[str] | None = None) -> int:
        module = importlib.import_module(f"backends.jobs.{job}")
        options = module.parser(name).parse_args(arguments)

        def work() -> None:
            backend = load_backend(name)
            if job not in SHARED and backend.connect().shard.world > 1:
                raise ConfigError(f"{job} runs in one process; only {' and '.join(SHARED)} share their work")
            module.job(options, backend)

        return run(work)

    return main

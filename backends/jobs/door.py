"""From `python -m backends.<name>.<job>` to the job: what the doors have in common."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from backends.jobs.cli import run
from core.backend import Backend


def load_backend(name: str) -> Backend:
    """The backend in `backends/<name>/`; imports its framework."""
    learner, inference, device = (
        importlib.import_module(f"backends.{name}.{module}") for module in ("learner", "inference", "device")
    )
    connect = importlib.import_module(f"backends.{name}.distributed").connect
    return Backend(name, learner.Learner, inference.Predictor, device, connect)


def door(file: str) -> Callable[..., int]:
    """The `main` of the module at `file`, backends/<name>/<job>.py: arguments in (sys.argv by default), status out."""
    name, job = Path(file).parent.name, Path(file).stem

    def main(arguments: Sequence[str] | None = None) -> int:
        module = importlib.import_module(f"backends.jobs.{job}")
        options = module.parser(name).parse_args(arguments)
        return run(lambda: module.job(options, load_backend(name)))

    return main

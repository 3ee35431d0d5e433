"""Where a run's numbers go: metrics.jsonl always, TensorBoard and Weights & Biases if asked for."""

from __future__ import annotations

import importlib
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.config import LoggingConfig
from core.errors import ConfigError
from core.files import naming


def check_logging(config: LoggingConfig) -> None:
    """Raises ConfigError where a package that the configuration asks for is not installed."""
    for wanted, module, setting in (
        (config.tensorboard, "tensorboard.summary.writer.event_file_writer", "logging.tensorboard"),
        (config.wandb_project, "wandb", "logging.wandb_project"),
    ):
        try:
            if wanted:
                importlib.import_module(module)
        except ImportError as error:
            package = module.partition(".")[0]
            raise ConfigError(f"{setting} needs the package {package}: pip install {package}") from error


class Tracker:
    """Takes records of scalars; `flush` makes them durable. Raises OutputError when the disk does not take them."""

    def __init__(self, metrics: Path, config: LoggingConfig, run_name: str, resolved: Mapping[str, Any]) -> None:
        check_logging(config)
        self._path = metrics
        with naming(metrics):
            self._file = metrics.open("a", encoding="utf-8")
        self._sinks: list[Any] = []
        if config.tensorboard:
            self._sinks.append(_TensorBoard(metrics.parent / "tensorboard"))
        if config.wandb_project:
            self._sinks.append(_WeightsAndBiases(config.wandb_project, run_name, metrics.parent, resolved))

    def add(self, iteration: int, record: Mapping[str, Any]) -> None:
        """`iteration` counts finished iterations; nested values stand in metrics.jsonl alone."""
        with naming(self._path):
            self._file.write(json.dumps({"iteration": iteration, **_finite(record)}, allow_nan=False) + "\n")
        scalars = {name: float(value) for name, value in record.items() if isinstance(value, (int, float))}
        for sink in self._sinks:
            sink.add(iteration, scalars)

    def flush(self) -> None:
        with naming(self._path):
            self._file.flush()
            for sink in self._sinks:
                sink.flush()

    def close(self) -> None:
        with naming(self._path):
            self._file.close()
        for sink in self._sinks:
            sink.close()


def _finite(value: Any) -> Any:
    """With None for what no JSON reader takes: nan (a class without pixels has no score) and infinity."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class _TensorBoard:
    """Event files through the `tensorboard` package itself, which needs neither TensorFlow nor PyTorch."""

    def __init__(self, directory: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = Event, Summary
        self._writer = EventFileWriter(str(directory))

    def add(self, iteration: int, scalars: Mapping[str, float]) -> None:
        values = [self._summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        event = self._event(wall_time=time.time(), step=iteration, summary=self._summary(value=values))
        self._writer.add_event(event)

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _WeightsAndBiases:
    def __init__(self, project: str, name: str, directory: Path, resolved: Mapping[str, Any]) -> None:
        import wandb

        self._run = wandb.init(project=project, name=name, dir=str(directory), config=dict(resolved), resume="allow")

    def add(self, iteration: int, scalars: Mapping[str, float]) -> None:
        self._run.log(dict(scalars), step=iteration)

    def flush(self) -> None:
        """wandb sends on its own."""

    def close(self) -> None:
        self._run.finish()

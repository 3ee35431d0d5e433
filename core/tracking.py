"""Where a run's numbers go: metrics.jsonl always, TensorBoard and Weights & Biases if asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.config import LoggingConfig
from core.errors import ConfigError


class Tracker:
    """Takes records of scalars; `flush` makes them durable."""

    def __init__(self, metrics: Path, config: LoggingConfig, run_name: str, resolved: Mapping[str, Any]) -> None:
        self._file = metrics.open("a", encoding="utf-8")
        self._sinks: list[Any] = []
        if config.tensorboard:
            self._sinks.append(_TensorBoard(metrics.parent / "tensorboard"))
        if config.wandb_project:
            self._sinks.append(_WeightsAndBiases(config.wandb_project, run_name, metrics.parent, resolved))

    def add(self, iteration: int, record: Mapping[str, Any]) -> None:
        """`iteration` counts finished iterations; nested values stand in metrics.jsonl alone."""
        self._file.write(json.dumps({"iteration": iteration, **record}) + "\n")
        scalars = {name: float(value) for name, value in record.items() if isinstance(value, (int, float))}
        for sink in self._sinks:
            sink.add(iteration, scalars)

    def flush(self) -> None:
        self._file.flush()
        for sink in self._sinks:
            sink.flush()

    def close(self) -> None:
        self.flush()
        self._file.close()
        for sink in self._sinks:
            sink.close()


class _TensorBoard:
    """Event files through the `tensorboard` package itself, which needs neither TensorFlow nor PyTorch."""

    def __init__(self, directory: Path) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise ConfigError("logging.tensorboard needs the package tensorboard: pip install tensorboard") from error
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
        try:
            import wandb
        except ImportError as error:
            raise ConfigError("logging.wandb_project needs the package wandb: pip install wandb") from error
        self._run = wandb.init(project=project, name=name, dir=str(directory), config=dict(resolved), resume="allow")

    def add(self, iteration: int, scalars: Mapping[str, float]) -> None:
        self._run.log(dict(scalars), step=iteration)

    def flush(self) -> None:
        """wandb sends on its own."""

    def close(self) -> None:
        self._run.finish()

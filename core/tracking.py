"""Where a run's numbers and pictures go: its own files always, TensorBoard and Weights & Biases if asked for.

They get what core.report shows: every scalar, each class's IoU by its name, speed and time left, the confusion matrix
and the worst pictures.
"""

from __future__ import annotations

import importlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.checkpoint import RunDirectory
from core.config import LoggingConfig
from core.errors import ConfigError
from core.files import naming
from core.pace import Lap


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
    """Takes records and pictures; `flush` makes them durable. Raises OutputError when the disk does not take them.

    classes: names for the per-class figures that go to TensorBoard and Weights & Biases.
    """

    def __init__(
        self,
        directory: RunDirectory,
        config: LoggingConfig,
        resolved: Mapping[str, Any],
        classes: Sequence[str] = (),
    ) -> None:
        check_logging(config)
        self._classes = classes
        self._files: dict[Path, Any] = {}
        for path in directory.records:
            with naming(path):
                self._files[path] = path.open("a", encoding="utf-8")
        self._metrics, self._evaluations, self._timing = directory.records
        self._sinks: list[Any] = []
        if config.tensorboard:
            self._sinks.append(_TensorBoard(directory.events))
        if config.wandb_project:
            name = directory.path.name
            self._sinks.append(_WeightsAndBiases(config.wandb_project, name, directory.path, resolved))

    def add(self, iteration: int, record: Mapping[str, Any]) -> None:
        """A line of metrics.jsonl; `iteration` counts finished iterations. A list `iou` is of the classes."""
        self._write(self._metrics, iteration, record)
        scalars = {name: float(value) for name, value in record.items() if isinstance(value, (int, float))}
        for name, value in zip(self._classes, record.get("iou", ())):
            scalars[f"iou/{name}"] = value
        self._scalars(iteration, scalars)

    def time(self, iteration: int, lap: Lap) -> None:
        """A line of timing.jsonl. The clock's own time stands in it too, for runs that were resumed."""
        record = {"seconds": lap.seconds, "waited": lap.waited, "pictures": lap.pictures, "left": lap.left}
        self._write(
            self._timing, iteration, {key: round(value, 4) for key, value in record.items()} | {"at": time.time()}
        )
        self._scalars(
            iteration,
            {"time/pictures_per_second": lap.rate, "time/waiting_for_data": lap.waiting, "time/seconds_left": lap.left},
        )

    def evaluated(self, iteration: int, confusion: np.ndarray, pictures: Mapping[str, float]) -> None:
        """A line of evaluations.jsonl: counts [classes, outputs], truth in rows, and each picture's own mean IoU."""
        self._write(self._evaluations, iteration, {"confusion": confusion.tolist(), "pictures": dict(pictures)})

    def show(self, iteration: int, name: str, picture: np.ndarray) -> None:
        """A picture, uint8 RGB [H, W, 3], for TensorBoard and Weights & Biases."""
        with naming(self._metrics):
            for sink in self._sinks:
                sink.show(iteration, name, picture)

    @property
    def shows(self) -> bool:
        """Whether anybody looks at what `show` is given."""
        return bool(self._sinks)

    def _write(self, path: Path, iteration: int, record: Mapping[str, Any]) -> None:
        with naming(path):
            self._files[path].write(json.dumps({"iteration": iteration, **_finite(record)}, allow_nan=False) + "\n")

    def _scalars(self, iteration: int, scalars: Mapping[str, float]) -> None:
        for sink in self._sinks:
            sink.add(iteration, scalars)

    def flush(self) -> None:
        for path, file in self._files.items():
            with naming(path):
                file.flush()
        with naming(self._metrics):
            for sink in self._sinks:
                sink.flush()

    def close(self) -> None:
        """Closes all, whichever of them fails."""
        with ExitStack() as all_files:
            for sink in self._sinks:
                all_files.enter_context(naming(self._metrics))
                all_files.callback(sink.close)
            for path, file in self._files.items():
                all_files.enter_context(naming(path))
                all_files.callback(file.close)


class Silent(Tracker):
    """Keeps nothing: the tracker of a process that does not write."""

    def __init__(self) -> None:
        self._classes, self._files, self._sinks = (), {}, []
        self._metrics = self._evaluations = self._timing = Path()

    def _write(self, path: Path, iteration: int, record: Mapping[str, Any]) -> None:
        pass


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
        self._put(iteration, [self._summary.Value(tag=name, simple_value=value) for name, value in scalars.items()])

    def show(self, iteration: int, name: str, picture: np.ndarray) -> None:
        _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        height, width = picture.shape[:2]
        image = self._summary.Image(height=height, width=width, colorspace=3, encoded_image_string=data.tobytes())
        self._put(iteration, [self._summary.Value(tag=name, image=image)])

    def _put(self, iteration: int, values: list[Any]) -> None:
        event = self._event(wall_time=time.time(), step=iteration, summary=self._summary(value=values))
        self._writer.add_event(event)

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _WeightsAndBiases:
    """One of its runs a start; `WANDB_MODE=offline` keeps everything in the run's directory."""

    def __init__(self, project: str, name: str, directory: Path, resolved: Mapping[str, Any]) -> None:
        import wandb

        self._picture = wandb.Image
        try:
            self._run = wandb.init(project=project, name=name, dir=str(directory), config=dict(resolved))
        except Exception as error:  # no key, no network: each release has other exceptions
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ConfigError(
                f"logging.wandb_project={project}: Weights & Biases does not start ({reason}); log in with "
                "`wandb login`, or set WANDB_MODE=offline and send the run later with `wandb sync`"
            ) from error

    def add(self, iteration: int, scalars: Mapping[str, float]) -> None:
        self._run.log(dict(scalars), step=iteration)

    def show(self, iteration: int, name: str, picture: np.ndarray) -> None:
        self._run.log({name: self._picture(picture)}, step=iteration)

    def flush(self) -> None:
        """wandb sends on its own."""

    def close(self) -> None:
        self._run.finish()

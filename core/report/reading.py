"""What a run's directory tells, as far as it has come: finished, stopped or at work."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from core.checkpoint import RunDirectory, read_records
from core.config import Config, load_config
from core.description import descriptions
from core.lock import is_held

State = Literal["finished", "running", "stopped"]


@dataclass(frozen=True)
class RunRecord:
    """A run as it stands on the page. `missing`: what could not be read, in words."""

    name: str
    path: Path
    backend: str  # of its last start; "torch, then mxnet" where it was handed over
    framework: str
    state: State
    config: Config
    classes: tuple[str, ...]
    steps: list[dict[str, Any]]  # iteration, loss, lr
    scores: list[dict[str, Any]]  # iteration, miou, pixel_accuracy, mean_accuracy, iou
    evaluations: list[dict[str, Any]]  # iteration, confusion, pictures
    timing: list[dict[str, Any]]  # iteration, seconds, waited, pictures, left
    worst: list[Path]
    missing: list[str] = field(default_factory=list)

    @property
    def iteration(self) -> int:
        return max((record["iteration"] for record in (*self.steps, *self.scores)), default=0)

    @property
    def best(self) -> dict[str, Any] | None:
        """The evaluation with the largest mIoU; of equal ones the first."""
        scored = [record for record in self.scores if record["miou"] is not None]
        return max(scored, key=lambda record: record["miou"], default=None)

    def confusion(self) -> tuple[int, np.ndarray] | None:
        """The last evaluation's iteration and counts."""
        for record in reversed(self.evaluations):
            counts = np.asarray(record.get("confusion"), dtype=np.float64)
            if counts.ndim == 2 and counts.shape[0] == len(self.classes):
                return record["iteration"], counts
        return None


def read_runs(paths: Sequence[Path]) -> list[RunRecord]:
    """The runs in their order; those that share a name get their folders' too.

    Raises CheckpointError for a directory without a run, ConfigError for one whose configuration cannot be read.
    """
    runs = [read_run(path) for path in dict.fromkeys(paths)]
    shared = {name for name, count in Counter(run.name for run in runs).items() if count > 1}
    return [replace(run, name=str(run.path)) if run.name in shared else run for run in runs]


def read_run(path: Path) -> RunRecord:
    """One run. A damaged line ends its file, a missing file is told; neither hides the rest."""
    directory = RunDirectory(path)
    directory.open()
    config = load_config(directory.config)
    records = directory.read_metrics()
    steps = [record for record in records if isinstance(record.get("loss"), float | int)]
    iteration = max((record["iteration"] for record in records), default=0)
    state: State = "finished" if iteration >= config.train.iterations and _scored(records, iteration) else "stopped"
    backend, framework, missing = _environment(directory)
    for file in directory.records:
        if not file.exists():
            missing.append(f"{file.name} is not there")
        elif file.read_bytes().count(b"\n") > len(read_records(file)):
            missing.append(f"{file.name} is damaged after its line {len(read_records(file))}")
    return RunRecord(
        name=path.resolve().name,
        path=path,
        backend=backend,
        framework=framework,
        state="running" if is_held(directory.path / ".lock") else state,
        config=config,
        classes=tuple(config.label_space().classes),
        steps=steps,
        scores=[record for record in records if "miou" in record],
        evaluations=read_records(directory.evaluations),
        timing=[record for record in read_records(directory.timing) if "seconds" in record],
        worst=sorted(directory.worst.glob("*.png")),
        missing=missing,
    )


def _scored(records: list[dict[str, Any]], iteration: int) -> bool:
    return any("miou" in record and record["iteration"] == iteration for record in records)


def _environment(directory: RunDirectory) -> tuple[str, str, list[str]]:
    """The backends that trained it, the framework's version, and what is missing."""
    try:
        entries = json.loads(directory.environment.read_text(encoding="utf-8"))
        names = list(dict.fromkeys(entry["backend"] for entry in entries))
        packages = entries[-1]["packages"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return "unknown", "", [f"{directory.environment.name} cannot be read"]
    return ", then ".join(map(str, names)), _version(str(names[-1]), packages), []


def _version(backend: str, packages: Any) -> str:
    described = descriptions().get(backend)
    version = packages.get(described.package) if described is not None and isinstance(packages, dict) else None
    return f"{described.title} {version}" if described is not None and version else ""


def load_picture(path: Path, width: int = 960) -> bytes | None:
    """A PNG as a JPEG of at most `width` columns; None where it cannot be read."""
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) if path.stat().st_size else None
    if picture is None:
        return None
    if picture.shape[1] > width:
        size = (width, max(1, round(picture.shape[0] * width / picture.shape[1])))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return bytes(data)

"""What the demonstration found, written twice: demo.json with all the numbers, index.html for readers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.config import Config, dump_config
from core.data import Dataset
from core.data.datasets.images import colorize
from core.visualize import overlay, write_png
from parity_tests.compare import compare, worst
from parity_tests.demo_page import Tile, page
from parity_tests.demo_proofs import STATE_FLOOR, Proof, Table, relative, same_pixels
from parity_tests.report import environment

SHOWN = 6
LAST = 0.1  # the share of a run that counts as its end


@dataclass
class RunResult:
    """A finished float32 run: what it is called, label maps and scores by its own framework, losses, last weights."""

    name: str
    backend: str
    predictions: Path
    scores: dict[str, Any]
    losses: list[float]
    weights: dict[str, np.ndarray]
    seconds: float

    @property
    def is_twin(self) -> bool:
        return self.name != self.backend

    @property
    def title(self) -> str:
        return f"{self.backend}, {self.name}" if self.is_twin else self.name


@dataclass
class Demonstration:
    """All that is reported. `versions`: framework and version by backend; `commands` by proof."""

    cfg: Path
    config: Config
    versions: dict[str, str]
    missing: list[str]
    proofs: list[Proof]
    results: list[RunResult]
    commands: dict[str, list[str]] = field(default_factory=dict)
    fault: str | None = None
    seconds: float = 0.0
    slots: int = 1

    @property
    def verdict(self) -> str:
        verdicts = {proof.verdict for proof in self.proofs}
        return next(word for word in ("FAILED", "NOT COMPARED", "PROVEN") if word in verdicts)


def write_report(out: Path, found: Demonstration) -> Path:
    """Writes demo.json, the predictions' pictures and index.html (self-contained) into `out`; returns the page."""
    out.mkdir(parents=True, exist_ok=True)
    dataset = found.config.open_dataset(found.config.data.val)
    data = to_json(found, dataset)
    (out / "demo.json").write_text(json.dumps(_finite(data), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    path = out / "index.html"
    path.write_text(page(data, _tiles(out, dataset, found.results)), encoding="utf-8")
    return path


def to_json(found: Demonstration, dataset: Dataset) -> dict[str, Any]:
    """What the page shows, without the pictures."""
    first = found.results[0]
    return {
        "verdict": found.verdict,
        "fault": found.fault,
        "cfg": str(found.cfg),
        "config": dump_config(found.config),
        "backends": found.versions,
        "missing": found.missing,
        "seconds": round(found.seconds, 1),
        "processes": found.slots,
        "environment": environment(),
        "dataset": {"name": dataset.name, "pictures": len(dataset), "classes": list(dataset.classes)},
        "palette": [[int(value) for value in colour] for colour in dataset.palette],
        "proofs": [proof.to_json() for proof in found.proofs],
        "curves": {
            "losses": {result.title: result.losses for result in found.results},
            "differences": {r.title: relative(first.losses, r.losses).tolist() for r in found.results[1:]},
            "reference": first.title,
            "commands": found.commands["curves"],
        },
        "distances": [_distance(first, result) for result in found.results[1:]],
        "scores": vars(_scores(found.results, dataset)),
        "training_seconds": {result.title: result.seconds for result in found.results},
    }


def _distance(first: RunResult, other: RunResult) -> dict[str, Any]:
    """How far apart two float32 runs ended."""
    gaps = relative(first.losses, other.losses)
    count = max(1, round(LAST * len(gaps)))
    ends = [float(np.mean(result.losses[-count:])) for result in (first, other)]
    same, total = same_pixels(first.predictions, other.predictions)
    miou = [100 * result.scores["metrics"]["mean_iou"] for result in (first, other)]
    return {
        "run": other.title,
        "twin": other.is_twin,
        "loss_1_difference": float(gaps[0]),
        "iterations_within_1e-3": int(np.argmax(gaps > 1e-3)) if (gaps > 1e-3).any() else len(gaps),
        "end_loss_difference": abs(ends[1] - ends[0]) / ends[0],
        "miou_points": abs(miou[1] - miou[0]),
        "pixels_equal": same / total,
        "weights": worst(compare(first.weights, other.weights, floor=STATE_FLOOR)).relative,
    }


def _scores(results: list[RunResult], dataset: Dataset) -> Table:
    def percent(value: float | None) -> str:
        return "absent" if value is None else f"{100 * value:.2f}"

    metrics = [result.scores["metrics"] for result in results]
    rows = [["mIoU", *(percent(found["mean_iou"]) for found in metrics)]]
    rows.append(["pixel accuracy", *(percent(found["pixel_accuracy"]) for found in metrics)])
    rows += [[f"IoU {name}", *(percent(found["iou"][name]) for found in metrics)] for name in dataset.classes]
    return Table("Scores in %", ["", *(result.title for result in results)], rows)


def _tiles(out: Path, dataset: Dataset, results: list[RunResult]) -> list[list[Tile]]:
    """For each picture shown: photograph, ground truth, and every run's prediction; also written as files."""
    shown = []
    folder = out / "predictions"
    folder.mkdir(exist_ok=True)
    for index in np.linspace(0, len(dataset) - 1, min(SHOWN, len(dataset))).astype(int):
        sample, name = dataset[int(index)], dataset.name_of(int(index))
        assert sample.label is not None
        pictures = {"picture": sample.image, "ground truth": overlay(sample.image, sample.label, dataset.palette, 0.9)}
        for result in results:
            labels = cv2.imread(str(result.predictions / f"{name}.png"), cv2.IMREAD_UNCHANGED)
            pictures[result.title] = colorize(labels, dataset.palette)
        tiles = []
        for title, picture in pictures.items():
            path = folder / f"{name}_{title.replace(', ', '_').replace(' ', '_')}.png"
            write_png(str(path), np.ascontiguousarray(picture))
            tiles.append(Tile(title, path.read_bytes()))
        shown.append(tiles)
    return shown


def _finite(value: Any) -> Any:
    """The same without values that JSON cannot hold: they become null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

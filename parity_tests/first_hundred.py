"""A hundred iterations of published networks in every backend: does the loss fall, and what do they see then?

python -m parity_tests.first_hundred --preset dfseg_df1 icnet_resnet50_mmseg   published networks, as they are
python -m parity_tests.first_hundred --narrow --preset pspnet_resnet101_gald   narrow and shallow, every switch as it is
python -m parity_tests.first_hundred --table                                   docs/first_hundred.md from what is known

From one seed on drawn street scenes, without dropout, one preset after the other in each backend, the backends at the
same time. The figures go to docs/first_hundred.json as they come; what is there of the same network is not trained
again. A sheet for each preset (picture, label, each backend's prediction) goes to --out, to be looked at.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from backends.jobs.cli import run
from backends.jobs.options import size, whole
from core.arch import PRESETS, Spec
from core.config import Config, load_config
from core.data import Dataset
from core.data.datasets.images import colorize
from core.data.pipeline import EvaluationSamples
from core.description import backend_names
from core.errors import DataError, SegParityError
from core.files import write_text
from core.initialize import initial_state
from core.losses import resolve_terms
from core.losses.objective import total
from core.measurements import read_entries
from core.metrics import ConfusionMatrix
from core.ranges import Range
from core.schema import to_plain
from core.visualize import side_by_side, write_png
from core.zoo import in_table
from parity_tests.cases import narrow
from parity_tests.ladder import Asked, Fleet

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "first_hundred.json"
PAGE = ROOT / "docs" / "first_hundred.md"
BEGIN, END = "<!-- first hundred: begin (make table) -->", "<!-- first hundred: end -->"
ITERATIONS = 100
QUICK = 0.1  # momentum of a backbone's batch norms, at least: of 0.01 a hundred iterations leave them where they began
ENDS = 10  # iterations at each end whose losses are averaged: a single batch's loss is that of its pictures
SCENES = {"train": 64, "val": 8}
SHOWN = 3  # validation scenes on the sheet


@dataclass(frozen=True)
class Training:
    """One backend's. `start`: the loss of the first batch, before any step; first, last: mean losses of ten iterations.

    pixel_accuracy, miou: on the validation scenes, in percent.
    like_first: share of the validation pixels, in percent, that are labelled as the first backend labels them.
    """

    backend: str
    version: str
    start: float
    first: float
    last: float
    pixel_accuracy: float
    miou: float
    like_first: float | None = None


@dataclass(frozen=True)
class Network:
    """How a preset was trained. `values`: its learnable scalars with 11 classes, by which it is known again."""

    values: int
    crop: tuple[int, int]
    batch: int
    rate: float
    narrow: bool = False
    trainings: tuple[Training, ...] = ()


@dataclass(frozen=True)
class Plan:
    """One preset's run: its configuration, and what is asked of every backend."""

    preset: str
    crop: tuple[int, int]
    batch: int
    rate: float
    narrow: bool = False

    @cached_property
    def text(self) -> str:
        """The configuration: a rate that suits most networks at such a batch, found for none in particular."""
        overrides = narrow(self.preset) if self.narrow else {}
        backbone = getattr(PRESETS[self.preset].spec, "backbone", None)
        if backbone is not None and backbone.norm.momentum < QUICK:
            norm = {**overrides.get("backbone", {}).get("norm", {}), "momentum": QUICK}
            overrides = {**overrides, "backbone": {**overrides.get("backbone", {}), "norm": norm}}
        values = {
            "model": {"preset": self.preset, "overrides": overrides},
            "data": {"options": {"size": list(self.crop), **SCENES}},
            "transform": {"crop": list(self.crop), "scale": [1.0, 1.5]},
            "train": {"batch_size": self.batch, "iterations": ITERATIONS},
            "optimizer": {"name": "adamw", "lr": self.rate, "weight_decay": 0.01, "no_decay_on_norm_and_bias": True},
            "schedule": {"policy": "poly", "power": 0.9, "warmup_iterations": 10},
        }
        return json.dumps(values)

    @cached_property
    def config(self) -> Config:
        return load_config(text=self.text, where=self.preset)

    @cached_property
    def scenes(self) -> Dataset:
        return self.config.open_dataset("val")

    @cached_property
    def spec(self) -> Spec:
        return self.config.spec(len(self.scenes.classes)).without_dropout()

    @cached_property
    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Normalised pictures [N, 3, H, W] and labels [N, H, W]."""
        samples = EvaluationSamples(self.scenes, self.config.eval_transform())
        pictures, labels = zip(*(samples[i] for i in range(len(samples))))
        return np.stack(pictures), np.stack(labels)

    def network(self) -> Network:
        """What is known of it before any training."""
        return Network(self.spec.parameter_count(), self.crop, self.batch, self.rate, self.narrow)

    def train(self, backend: Asked) -> tuple[list[float], np.ndarray]:
        """The loss of every iteration, and the validation scenes' label maps uint8 [N, H, W]."""
        fields = {"config": self.text, "classes": self.spec.num_classes}
        backend.request("learner", **fields)
        backend.request("learner_load", initial_state(self.spec.parameters(), self.config.seed))
        _, found = backend.request("train", iterations=ITERATIONS)
        costs = resolve_terms(self.spec, self.config.loss)
        losses = [total(costs, list(values)) for values in found["losses"]]
        _, state = backend.request("learner_state")
        kept = {p.name for p in self.spec.for_inference().parameters()}
        weights = {name.removeprefix("state/"): array for name, array in state.items()}
        given = {name: array for name, array in weights.items() if name in kept}
        pictures, _ = self.validation
        _, answer = backend.request("predict", {**given, "x": pictures}, size=self.crop, **fields)
        return losses, answer["labels"].astype(np.uint8)

    def training(self, backend: str, version: str, losses: Sequence[float], predicted: np.ndarray) -> Training:
        _, labels = self.validation
        confusion = ConfusionMatrix(self.spec.num_classes)
        confusion.update(labels.astype(np.uint8), predicted)
        scores = confusion.scores()
        ends = [round(float(np.mean(part)), 4) for part in (losses[:ENDS], losses[-ENDS:])]
        percent = [round(100 * float(value), 2) for value in (scores.pixel_accuracy, scores.mean_iou)]
        return Training(backend, version, float(f"{losses[0]:.8g}"), *ends, *percent)


# What is known: docs/first_hundred.json


@dataclass
class Known:
    """Preset -> how it was trained, in a file."""

    path: Path
    networks: dict[str, Network] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Known:
        """An absent file is an empty one. Raises DataError, ConfigError for one that is none of ours."""
        return cls(path, read_entries(path, Network))

    def write(self) -> None:
        """A line for each training, so that versions of the file can be compared."""
        entries = []
        for name in sorted(self.networks):
            plain = to_plain(self.networks[name])
            trainings = ",\n  ".join(json.dumps(item) for item in plain.pop("trainings"))
            entries.append(f'{json.dumps(name)}: {json.dumps(plain)[:-1]}, "trainings": [\n  {trainings}]}}')
        write_text(self.path, "{\n" + ",\n".join(entries) + "\n}\n")

    def lacks(self, plan: Plan, backend: str) -> bool:
        """Whether this very network has not been trained this way in the backend."""
        known = self.networks.get(plan.preset)
        if known is None or replace(known, trainings=()) != plan.network():
            return True
        return all(training.backend != backend for training in known.trainings)

    def put(self, plan: Plan, training: Training) -> None:
        known = self.networks.get(plan.preset)
        if known is None or replace(known, trainings=()) != plan.network():
            known = plan.network()
        by_name = {one.backend: one for one in (*known.trainings, training)}
        ordered = tuple(by_name[name] for name in backend_names() if name in by_name)
        self.networks[plan.preset] = replace(known, trainings=ordered)


# Training and looking


@dataclass
class Study:
    """Trains plans in backends side by side; each backend goes through them on its own. `failed`: sentences."""

    known: Known
    out: Path
    failed: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def carry_out(self, plans: Sequence[Plan], backends: Sequence[str], again: bool) -> None:
        with ThreadPoolExecutor(max_workers=len(backends)) as pool, Fleet(backends) as fleet:
            present = fleet.present()
            self.failed += fleet.missing.values()
            chains = [pool.submit(self._chain, plans, fleet, name, again) for name in present]
            try:
                for chain in as_completed(chains):
                    chain.result()
            finally:
                self.stopped.set()  # the fleet then ends its processes, and with them what they are at

    def _chain(self, plans: Sequence[Plan], fleet: Fleet, backend: str, again: bool) -> None:
        for plan in plans:
            if not self.stopped.is_set() and (again or self.known.lacks(plan, backend)):
                try:
                    losses, predicted = plan.train(fleet.get(backend))
                except SegParityError as error:
                    self.failed.append(f"{plan.preset}: {error}")
                else:
                    self._keep(plan, backend, getattr(fleet.get(backend), "framework", ""), losses, predicted)

    def _keep(self, plan: Plan, backend: str, version: str, losses: list[float], predicted: np.ndarray) -> None:
        training = plan.training(backend, version, losses, predicted)
        with self._lock:
            write_png(prediction_file(self.out, plan.preset, backend), np.concatenate(predicted))
            self.known.put(plan, training)
            look(plan, self.known, self.out)
            self.known.write()
        words = f"loss {training.first:g} to {training.last:g}, mIoU {training.miou:g}"
        print(f"{plan.preset} {backend}: {words}", flush=True)
        if not training.last < training.first:
            self.failed.append(f"{plan.preset} in {backend}: the loss did not fall, {words}")


def prediction_file(out: Path, preset: str, backend: str) -> Path:
    """The label maps, one under the other."""
    return out / f"{preset}.{backend}.png"


def look(plan: Plan, known: Known, out: Path) -> None:
    """Compares the backends' predictions and draws the sheet; a prediction that is no longer in `out` is left out."""
    network = known.networks[plan.preset]
    maps = {}
    for training in network.trainings:
        labels = cv2.imread(str(prediction_file(out, plan.preset, training.backend)), cv2.IMREAD_UNCHANGED)
        if labels is not None:
            maps[training.backend] = labels
    if maps:
        first = next(iter(maps.values()))
        for training in network.trainings:
            if training.backend in maps:
                same = round(100 * float((maps[training.backend] == first).mean()), 2)
                known.put(plan, replace(training, like_first=same))
        write_png(out / f"{plan.preset}.png", sheet(plan, maps))


def sheet(plan: Plan, maps: dict[str, np.ndarray], scale: int = 2) -> np.ndarray:
    """uint8 [H, W, 3]: picture, label, and each backend's prediction, for the first scenes."""
    height, palette = plan.crop[0], plan.scenes.palette
    _, labels = plan.validation
    columns = {
        plan.preset: np.concatenate([plan.scenes[i].image for i in range(SHOWN)]),
        "label": np.concatenate([colorize(label.astype(np.uint8), palette) for label in labels[:SHOWN]]),
        **{name: colorize(labels[: SHOWN * height], palette) for name, labels in maps.items()},
    }
    enlarged = [np.kron(column, np.ones((scale, scale, 1), np.uint8)) for column in columns.values()]
    return side_by_side(enlarged, list(columns))


# The page


def table(known: Known) -> str:
    """Markdown: one row per network in the order of PRESETS; a cell's values are those of the backends in order."""
    header = "| preset | crop | loss, first ten | loss, last ten | pixel accuracy | mIoU | labels as the first's |"
    lines = [header, "| --- | --- | --- | --- | --- | --- | --- |"]
    for name in filter(known.networks.__contains__, PRESETS):
        network = known.networks[name]
        title = f"`{name}`, narrow" if network.narrow else f"`{name}`"
        crop = f"{network.batch} of {network.crop[0]}x{network.crop[1]}"
        by_name = {training.backend: training for training in network.trainings}
        cells = [
            " / ".join(pattern.format(getattr(by_name[b], key)) if b in by_name else "–" for b in backend_names())
            for key, pattern in (
                ("first", "{:.2f}"),
                ("last", "{:.2f}"),
                ("pixel_accuracy", "{:.0f}"),
                ("miou", "{:.0f}"),
            )
        ]
        others = [training.like_first for training in network.trainings[1:] if training.like_first is not None]
        cells.append(" / ".join(f"{value:.0f}" for value in others))
        lines.append(f"| {' | '.join([title, crop, *cells])} |")
    return "\n".join(lines)


def put_table(text: str, known: Known) -> str:
    """The page with its table between its markers. Raises DataError where they are missing."""
    if BEGIN not in text or END not in text:
        raise DataError(f"{PAGE.name}: has no lines {BEGIN!r} and {END!r} to put the table between")
    before, rest = text.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{table(known)}\n{END}{rest.split(END, 1)[1]}"


# The command line


def parser() -> argparse.ArgumentParser:
    command = argparse.ArgumentParser(prog="python -m parity_tests.first_hundred", description=__doc__.split("\n\n")[0])
    published = [name for name in PRESETS if in_table(name)]
    command.add_argument("--preset", nargs="+", choices=published, metavar="NAME", default=[], help="which to train")
    command.add_argument("--backends", nargs="+", choices=backend_names(), default=backend_names(), metavar="NAME")
    command.add_argument(
        "--crop", type=size, default=(64, 96), metavar="HxW", help="or the next that the network takes"
    )
    command.add_argument("--batch", type=whole(Range(2)), default=4)
    command.add_argument("--rate", type=float, default=2e-3)
    command.add_argument("--narrow", action="store_true", help="narrow and shallow forms")
    command.add_argument("--file", type=Path, default=RESULTS, help="the figures; default: docs/first_hundred.json")
    command.add_argument("--out", type=Path, default=Path("report/first_hundred"), metavar="DIR", help="of the sheets")
    command.add_argument("--again", action="store_true", help="train what is known already, too")
    command.add_argument("--table", action="store_true", help="put what is known into docs/first_hundred.md")
    return command


def carry_out(options: argparse.Namespace) -> None:
    """Raises SegParityError where a training failed or a loss did not fall; the others are kept all the same."""
    known = Known.read(options.file)
    study = Study(known, options.out)
    if options.preset:
        options.out.mkdir(parents=True, exist_ok=True)
        crops = [PRESETS[name].spec.size_at_least(*options.crop) for name in options.preset]
        plans = [
            Plan(name, crop, options.batch, options.rate, options.narrow) for name, crop in zip(options.preset, crops)
        ]
        study.carry_out(plans, options.backends, options.again)
    if options.table:
        write_text(PAGE, put_table(PAGE.read_text(encoding="utf-8"), known))
    if study.failed:
        raise SegParityError("\n".join(study.failed))


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    return run(lambda: carry_out(options))


if __name__ == "__main__":
    sys.exit(main())

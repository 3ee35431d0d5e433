"""What the service offers: weights with their configuration, ways to evaluate, and pictures to try."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backends.jobs.weights import resolve
from core.config import Config, dump_config, load_config
from core.description import FOLDER, backend_names
from core.errors import ConfigError, SegParityError
from core.evaluation.protocol import EvaluationProtocol
from core.evaluation.protocols import PROTOCOLS as NAMED
from core.evaluation.protocols import Circumstances, named_protocol

CHECKPOINTS = FOLDER.parent.parent / "shared" / "checkpoints"
ESPNET = ("model.preset=espnet_p2_q8_skip16", "model.num_classes=20")  # the network that was tested on Cityscapes
# Published weights that are offered where they lie, with the configuration they belong to.
PUBLISHED = (
    ("espnet-cityscapes", "espnet/espnet_p_2_q_8.pth", "configs/cityscapes/espnet.yaml", ESPNET),
    ("espnet-camvid", "espnet/espnet_p_2_q_8_camvid.pth", "configs/camvid/espnet.yaml", ()),
)  # fmt: skip
CONFIGURED, WHOLE, MIRRORED = "configured", "whole", "whole-mirrored"
PROTOCOLS = (CONFIGURED, WHOLE, MIRRORED, *NAMED)
SAMPLES = 3


@dataclass(frozen=True)
class Model:
    """Weights under a name that tells nothing of this machine."""

    name: str
    config: Config
    weights: Path
    origin: str | None = None

    @cached_property
    def palette(self) -> np.ndarray:
        """uint8 [outputs, 3]; outputs beyond the data set's classes are black."""
        space = self.config.label_space()
        count = self.config.spec(space.num_classes).num_classes
        extra = np.zeros((max(count - len(space.palette), 0), 3), np.uint8)
        return np.concatenate([space.palette, extra])

    @cached_property
    def classes(self) -> list[str]:
        names = list(self.config.label_space().classes)
        return names + [f"output {i}" for i in range(len(names), len(self.palette))]

    def describe(self) -> dict[str, Any]:
        """For the page."""
        return {
            "name": self.name,
            "network": self.config.model.preset,
            "dataset": self.config.data.dataset,
            "classes": self.classes,
            "palette": self.palette.tolist(),
        }

    def order(self) -> dict[str, Any]:
        """What a worker needs to open it."""
        return {
            "name": self.name,
            "config": dump_config(self.config),
            "weights": str(self.weights.resolve()),
            "origin": self.origin,
        }


def protocol_of(name: str, config: Config) -> EvaluationProtocol:
    """The protocol of that name for the weights of `config`."""
    if name == CONFIGURED:
        return config.evaluation
    if name in (WHOLE, MIRRORED):
        return EvaluationProtocol(flip=name == MIRRORED)
    return named_protocol(name, Circumstances(config.data.dataset, config.eval_transform().normalize))


def find_models(
    runs: Sequence[Path], weights: Sequence[Path], cfg: Path | None, overrides: Sequence[str]
) -> list[Model]:
    """Those asked for; without any, the demonstration's runs and the published weights that lie beside the project.

    Raises ConfigError or CheckpointError where a run or file cannot be used, or nothing was found.
    """
    found = [_model(run.resolve().name, None, overrides, run=run) for run in runs]
    found += [_model(file.stem, cfg, overrides, weights=file) for file in weights]
    if not found:
        found = _default_models()
    if not found:
        raise ConfigError(
            "no weights: give --run DIR or --weights FILE, or run `make demo` first, whose weights are taken by default"
        )
    seen: Counter[str] = Counter()
    named = []
    for model in found:
        seen[model.name] += 1
        named.append(model if seen[model.name] == 1 else replace(model, name=f"{model.name}-{seen[model.name]}"))
    return named


def _model(name: str, cfg: Path | None, overrides: Sequence[str], **given: Path) -> Model:
    arguments = {"run": None, "weights": None, "cfg": cfg, "overrides": list(overrides), **given}
    config, weights = resolve(argparse.Namespace(**arguments))
    if not weights.is_file():
        raise ConfigError(f"{weights}: there is no such file")
    return Model(name, config, weights)


def _default_models() -> list[Model]:
    demo = FOLDER.parent / "runs" / "demo"
    found = []
    for backend in backend_names():
        if (demo / backend / "config.yaml").is_file() and (demo / backend / "last.safetensors").is_file():
            found.append(_model(f"demo-{backend}", None, (), run=demo / backend))
    for name, weights, cfg, overrides in PUBLISHED:
        if (CHECKPOINTS / weights).is_file():
            config = load_config(FOLDER.parent / cfg, list(overrides))
            found.append(Model(name, config, CHECKPOINTS / weights))
    return found


def samples(models: Sequence[Model]) -> list[tuple[str, np.ndarray]]:
    """(name, uint8 [H, W, 3] RGB): drawn street scenes, and of each data set with files here its first pictures."""
    scenes = load_config(None, ["data.options={size: [240, 320]}"]).open_dataset("val")
    found = [(f"drawn scene {i + 1}", scenes[i].image) for i in range(SAMPLES)]
    done = set()
    for model in models:
        data = model.config.data
        if data.root is None or (data.dataset, data.root) in done:
            continue
        done.add((data.dataset, data.root))
        try:
            dataset = model.config.open_dataset(data.val)
            found += [(f"{data.dataset} {i + 1}", dataset[i].image) for i in range(min(SAMPLES, len(dataset)))]
        except SegParityError:
            continue  # its files are not on this machine
    return found


def encode(picture: np.ndarray, extension: str) -> bytes:
    """uint8 RGB [H, W, 3] or labels [H, W] as a file; ".png" or ".jpg"."""
    pixels = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    return bytes(cv2.imencode(extension, pixels)[1])


def run_lengths(labels: np.ndarray) -> dict[int, list[int]]:
    """Class -> counts of COCO's uncompressed RLE: column by column, runs of other pixels and of its own in turn."""
    flat = labels.T.reshape(-1)
    edges = np.flatnonzero(np.diff(flat)) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [flat.size]])
    found: dict[int, list[int]] = {}
    for value in np.unique(flat):
        own = flat[starts] == value
        bounds = np.stack([starts[own], ends[own]], axis=1).reshape(-1)
        counts = np.diff(np.concatenate([[0], bounds, [flat.size]]))
        found[int(value)] = [int(count) for count in (counts if counts[-1] else counts[:-1])]
    return found

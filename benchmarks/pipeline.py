"""What a training sample costs, beside the pipelines of public packages: `python -m benchmarks.pipeline`.

One process, one thread, real frames; the candidates take turns sample by sample, and what counts is the processor time
of this process, so that other work on the machine meets all alike. With and without decoding; then where our time
goes, and what two workers of each backend's loader give. The packages are those of `make bench` (build/bench-peers).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.pipeline_peers import PEERS, Peer
from benchmarks.pipeline_recipe import CROP, SCALE
from core.data import decoding, resampling
from core.data.datasets import open_dataset
from core.data.datasets.base import Dataset
from core.data.normalization import find_normalization
from core.data.sampler import sample_generator
from core.data.transforms import (
    TrainTransform,
    draw_window,
    jitter_colors,
    label_into,
    normalize_into,
    scaled_size,
)
from core.errors import SegParityError
from core.files import write_text

TRANSFORM = TrainTransform(crop=(CROP, CROP), scale=SCALE, brightness=0.125, contrast=0.5, saturation=0.5, hue=0.1)
ALL_JITTER = replace(TRANSFORM, jitter_probability=1.0)
OURS = "SegParity"
ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Timed:
    """One candidate: how to make sample number i, its times in ms, and why it has none."""

    name: str
    sample: Callable[[int], Any]
    differences: str = ""
    times: list[float] = field(default_factory=list)
    failure: str = ""

    @property
    def mean(self) -> float:
        return statistics.fmean(self.times)


def cpu_ms(action: Callable[[], Any]) -> float:
    """Processor time of this process, ms."""
    begin = time.process_time()
    action()
    return (time.process_time() - begin) * 1000


def take_turns(candidates: Sequence[Timed], rounds: int, warm_up: int = 2) -> None:
    """A, B, C, A, B, C, …: a sample each; the first `warm_up` rounds are not counted."""
    for number in range(-warm_up, rounds):
        for candidate in [c for c in candidates if not c.failure]:
            try:
                taken = cpu_ms(lambda c=candidate, n=number: c.sample(n + warm_up))  # type: ignore[misc]
            except Exception as error:
                candidate.failure = _reason(error)
                continue
            if number >= 0:
                candidate.times.append(taken)


def ours(dataset: Dataset, decode: bool) -> Timed:
    samples = [dataset[i] for i in range(len(dataset))]

    def made(number: int) -> tuple[np.ndarray, np.ndarray]:
        index, rng = number % len(dataset), sample_generator(0, number, number % len(dataset))
        if decode:
            picture, label = dataset.open_sample(index)
            assert label is not None
            return TRANSFORM(picture, label, rng)
        sample = samples[index]
        assert sample.label is not None
        return TRANSFORM(sample.image, sample.label, rng)

    return Timed(OURS, made)


class Rival:
    """A built peer. Raises what a package raises that is not installed or does not run here."""

    def __init__(self, peer: Peer, files: Sequence[tuple[Path, Path]]) -> None:
        self.peer, self.files = peer, files
        self.transform, self.read = peer.build()
        self.samples = [self.read(*pair) for pair in files]
        image, label = self.transform(*self.samples[0])
        shapes = (image.shape, label.shape, image.dtype, label.dtype)
        if shapes != ((3, CROP, CROP), (CROP, CROP), np.float32, np.int64):
            raise ValueError(f"{peer.name} gives {image.shape} {image.dtype} and {label.shape} {label.dtype}")

    def timed(self, decode: bool) -> Timed:
        def made(number: int) -> tuple[np.ndarray, np.ndarray]:
            index = number % len(self.files)
            return self.transform(*(self.read(*self.files[index]) if decode else self.samples[index]))

        return Timed(self.peer.name, made, self.peer.differences)


def rivals(dataset: Dataset) -> tuple[list[Rival], dict[str, str]]:
    """The peers that run here, and the reasons of those that do not."""
    files = [(pair.image, pair.label) for pair in dataset.pairs]  # type: ignore[attr-defined]
    found, failures = [], {}
    for peer in PEERS:
        try:
            found.append(Rival(peer, files))
        except Exception as error:
            failures[peer.name] = _reason(error)
    cv2.setNumThreads(1)  # some packages set it when they are imported
    return found, failures


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def fresh_arrays() -> tuple[np.ndarray, np.ndarray]:
    """Memory for a sample, touched."""
    return np.full((3, CROP, CROP), 0, np.float32), np.full((CROP, CROP), 0, np.int64)


def shares(dataset: Dataset, rounds: int) -> dict[str, float]:
    """Where our time goes, ms a sample: the stages one after the other."""
    pair = dataset.pairs[0]  # type: ignore[attr-defined]
    sample = dataset[0]
    assert sample.label is not None
    png = decoding.fast_png(pair.image.read_bytes(), color=True)
    steps: dict[str, list[float]] = {}
    stream = b"" if png is None else decoding.image_data(png.data)
    out, classes = fresh_arrays()
    for number in range(rounds):
        scale = SCALE[0] + (SCALE[1] - SCALE[0]) * (number + 0.5) / rounds
        size = scaled_size((1024, 2048), scale)
        window = draw_window(size, (CROP, CROP), np.random.default_rng(number))
        rows = resampling.reached(1024, size[0], window[0])
        columns = resampling.reached(2048, size[1], window[1])
        part = resampling.resize_image_window(sample.image, size, window)
        stages: dict[str, Callable[[], Any]] = {
            "label: file to classes": partial(dataset.label_of, 0),
            "resize the crop": partial(resampling.resize_image_window, sample.image, size, window),
            "jitter (when all of it is drawn)": partial(
                jitter_colors, part, np.random.default_rng(number), *ALL_JITTER.jitter
            ),
            "normalise to planes": partial(normalize_into, out, part, find_normalization(TRANSFORM.normalize)),
            "labels of the crop": partial(label_into, classes, sample.label, size, window, False),
            "fresh memory for the arrays": fresh_arrays,
        }
        if png is not None:
            stages["picture: inflate the rows"] = partial(decoding.inflate, stream, rows * (2048 * 3 + 1))
            stages["picture: inflate, undo the filters"] = partial(png.first, rows, columns)
        for name, action in stages.items():
            steps.setdefault(name, []).append(cpu_ms(action))
    return {name: statistics.median(times) for name, times in steps.items()}


def _work(arguments: tuple[str, int, int]) -> tuple[float, float]:
    """CPU seconds, and wall seconds, of `count` samples in a worker of its own."""
    root, first, count = arguments
    cv2.setNumThreads(0)
    dataset = open_frames(Path(root))
    candidate = ours(dataset, decode=True)
    candidate.sample(0)
    begin, wall = time.process_time(), time.perf_counter()
    for number in range(first, first + count):
        candidate.sample(number)
    return time.process_time() - begin, time.perf_counter() - wall


def workers(root: Path, count: int) -> dict[str, float]:
    """One worker and two at once, each with `count` samples: CPU ms a sample, and samples a second."""
    figures = {}
    for number in (1, 2):
        with ProcessPoolExecutor(number, mp_context=get_context("spawn")) as pool:
            done = list(pool.map(_work, [(str(root), i * count, count) for i in range(number)]))
        figures[f"CPU ms a sample, {number} at once"] = 1000 * statistics.fmean(cpu for cpu, _ in done) / count
        figures[f"samples a second, {number} at once"] = sum(count / wall for _, wall in done)
    return figures


def open_frames(root: Path) -> Dataset:
    """Labelled Cityscapes frames of 1024x2048."""
    return open_dataset("cityscapes", "val", root, labelled_only=True)


def table(candidates: Sequence[Timed], failures: dict[str, str]) -> Iterator[str]:
    failures = {**failures, **{c.name: c.failure for c in candidates if c.failure}}
    candidates = [c for c in candidates if not c.failure]
    best = min((c.mean for c in candidates if c.name != OURS), default=float("nan"))
    mine = candidates[0].mean
    yield "| | CPU, ms a sample | times ours | |"
    yield "| --- | ---: | ---: | --- |"
    for candidate in sorted(candidates, key=lambda c: c.mean):
        yield f"| {candidate.name} | {candidate.mean:.1f} | {candidate.mean / mine:.2f} | {candidate.differences} |"
    for name, reason in failures.items():
        yield f"| {name} | not measured | | {reason[:120]} |"
    yield ""
    yield f"{best / mine:.2f} times the best of the others."


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT.parent / "shared" / "data" / "cityscapes", metavar="DIR")
    parser.add_argument("--peers", type=Path, default=ROOT / "build" / "bench-peers", metavar="DIR")
    parser.add_argument("--rounds", type=int, default=20, help="samples of each candidate")
    parser.add_argument("--output", type=Path, default=Path("report/pipeline"), metavar="DIR")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    if options.peers.is_dir():
        sys.path.append(str(options.peers))
    else:
        print(f"{options.peers}: no public packages there (make bench installs them); ours alone", file=sys.stderr)
    cv2.setNumThreads(1)
    try:
        dataset = open_frames(options.root)
    except SegParityError as error:
        print(f"error: {error}; --root names a folder with Cityscapes frames and labels", file=sys.stderr)
        return 2
    texts = ["# The data pipeline"]
    report: dict[str, Any] = {}
    others, failures = rivals(dataset)
    for title, decode in (("Without decoding", False), ("With decoding", True)):
        candidates = [ours(dataset, decode), *(rival.timed(decode) for rival in others)]
        take_turns(candidates, options.rounds)
        texts.append("\n".join([f"## {title}", "", *table(candidates, failures)]))
        report[title] = {**{c.name: c.times for c in candidates}, "not measured": failures}
        print(f"\n{texts[-1]}", flush=True)
    for title, figures in (
        ("Where the time goes, ms", shares(dataset, options.rounds)),
        ("Workers", workers(options.root, options.rounds)),
    ):
        rows = [f"| {name} | {value:.1f} |" for name, value in figures.items()]
        texts.append("\n".join([f"## {title}", "", "| | |", "| --- | ---: |", *rows]))
        report[title] = figures
        print(f"\n{texts[-1]}", flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    write_text(options.output / "pipeline.md", "\n\n".join(texts) + "\n")
    write_text(options.output / "pipeline.json", json.dumps(report, indent=1) + "\n")
    print(f"\n{options.output}/pipeline.md, .json", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

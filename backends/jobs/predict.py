"""The `predict` job: label maps, colours and overlays of pictures, folders and videos."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from backends.jobs.cli import add_weights, job_parser
from backends.jobs.options import file_path, real
from backends.jobs.weights import load_for, resolve
from core.arch import Spec
from core.backend import Backend, Predictor
from core.config import Config
from core.data.datasets.images import colorize, read_image
from core.errors import DataError
from core.evaluation.scoring import progress
from core.evaluation.segmenting import label_map
from core.ranges import Range
from core.visualize import overlay, write_png

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"}
VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"}

Segment = Callable[[np.ndarray], np.ndarray]  # picture uint8 [H, W, 3] RGB -> classes uint8 [H, W]


def parser(backend: str) -> argparse.ArgumentParser:
    command = job_parser(
        backend,
        "predict",
        "Segment pictures, folders of pictures or videos.\n\nFor each picture NAME: NAME_label.png (class numbers), "
        "NAME_color.png (the data set's\npalette) and NAME_overlay.png. For a video: NAME_overlay.mp4 and a label PNG "
        "per frame.",
    )
    add_weights(command)
    command.add_argument("inputs", nargs="+", type=file_path, metavar="INPUT", help="picture, folder or video")
    command.add_argument("--out", type=file_path, required=True, metavar="DIR", help="where the results go")
    command.add_argument(
        "--alpha", type=real(Range(0, 1)), default=0.5, help="opacity of the colours in the overlay (0 to 1)"
    )
    return command


def job(arguments: argparse.Namespace, backend: Backend) -> None:
    """The `predict` command. All inputs are found before the first is segmented."""
    config, weights = resolve(arguments)
    pictures, videos = find_inputs(arguments.inputs)
    names = output_names(pictures)
    space = config.label_space()
    spec = config.spec(space.num_classes).for_inference()
    config, state = load_for(config, spec, weights, arguments.origin)
    segment = _segmenter(config, spec, backend.predictor(spec, state, arguments.device))
    palette = extended(space.palette, spec.num_classes)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for path in progress(pictures, "predict", len(pictures)):
        write_prediction(arguments.out, names[path], read_image(path), segment, palette, arguments.alpha)
    for path in videos:
        _predict_video(path, arguments.out, segment, palette, arguments.alpha)
    print(f"{len(pictures)} pictures, {len(videos)} videos -> {arguments.out}")


def _segmenter(config: Config, spec: Spec, predictor: Predictor) -> Segment:
    transform, protocol = config.eval_transform(), config.evaluation

    def segment(picture: np.ndarray) -> np.ndarray:
        labels: np.ndarray = label_map(transform(picture)[0], predictor, protocol, spec)
        if labels.shape != picture.shape[:2]:
            labels = cv2.resize(labels, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        return labels

    return segment


def extended(palette: np.ndarray, count: int) -> np.ndarray:
    """The palette for `count` outputs: outputs beyond the data set's classes (void) are black."""
    extra = np.zeros((max(count - len(palette), 0), 3), np.uint8)
    return np.concatenate([palette, extra])


def find_inputs(inputs: list[Path]) -> tuple[list[Path], list[Path]]:
    """Pictures and videos, folders searched (not their subfolders). Raises DataError for what is neither."""
    pictures: list[Path] = []
    videos: list[Path] = []
    for path in inputs:
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES | VIDEOS)
            if not found:
                raise DataError(f"{path}: holds no picture or video")
        elif path.exists():
            found = [path]
        else:
            raise DataError(f"{path}: no such file or folder")
        for file in found:
            if file.suffix.lower() not in PICTURES | VIDEOS:
                raise DataError(f"{file}: neither a picture nor a video by its extension {file.suffix!r}")
            (pictures if file.suffix.lower() in PICTURES else videos).append(file)
    return pictures, videos


def output_names(pictures: list[Path]) -> dict[Path, str]:
    """A stem for each picture's results. Raises DataError where two pictures would overwrite each other."""
    names: dict[str, Path] = {}
    for path in pictures:
        if path.stem in names and names[path.stem] != path:
            raise DataError(f"{names[path.stem]} and {path} would write the same files; predict them into two folders")
        names[path.stem] = path
    return {path: stem for stem, path in names.items()}


def write_prediction(
    folder: Path, name: str, picture: np.ndarray, segment: Segment, palette: np.ndarray, alpha: float
) -> None:
    labels = segment(picture)
    write_png(str(folder / f"{name}_label.png"), labels)
    write_png(str(folder / f"{name}_color.png"), colorize(labels, palette))
    write_png(str(folder / f"{name}_overlay.png"), overlay(picture, labels, palette, alpha))


def _frames(path: Path) -> Iterator[np.ndarray]:
    """The frames of a video, uint8 [H, W, 3] RGB."""
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise DataError(f"{path}: the video cannot be opened")
    try:
        while True:
            read, frame = capture.read()
            if not read:
                return
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    finally:
        capture.release()


def _predict_video(path: Path, folder: Path, segment: Segment, palette: np.ndarray, alpha: float) -> None:
    """NAME_overlay.mp4 at the video's own rate, and NAME_<frame>_label.png."""
    capture = cv2.VideoCapture(str(path))
    rate, total = capture.get(cv2.CAP_PROP_FPS) or 25.0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    writer = None
    for number, picture in enumerate(progress(_frames(path), path.name, total or None)):
        labels = segment(picture)
        if writer is None:
            size = (picture.shape[1], picture.shape[0])
            writer = cv2.VideoWriter(
                str(folder / f"{path.stem}_overlay.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), rate, size
            )
        writer.write(cv2.cvtColor(overlay(picture, labels, palette, alpha), cv2.COLOR_RGB2BGR))
        write_png(str(folder / f"{path.stem}_{number:06d}_label.png"), labels)
    if writer is None:
        raise DataError(f"{path}: the video holds no readable frame")
    writer.release()

"""The `predict` job: label maps, colours and overlays of pictures, folders and videos."""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from backends.jobs.cli import add_server, add_weights, check_server_options, job_parser
from backends.jobs.options import file_path, real, whole
from backends.jobs.pipes import check_pipes, from_pipe, to_pipe
from backends.jobs.shapes import to_geojson, to_rle
from backends.jobs.weights import open_network, resolve
from core.arch import Spec
from core.backend import Backend, Predictor
from core.config import Config
from core.data.datasets.images import colorize, read_image
from core.data.datasets.listing import IMAGE_EXTENSIONS, is_macos_companion
from core.errors import ConfigError, DataError, OutputError, SegParityError
from core.evaluation.scoring import output_names as names_of_split
from core.evaluation.scoring import progress
from core.evaluation.segmenting import label_map
from core.evaluation.submission import check_server, submission
from core.files import require_file, require_folder, write_text
from core.ranges import Range
from core.video import VideoReader, VideoWriter
from core.visualize import overlay, side_by_side, write_png

HUGE = 64_000_000  # pixels
EXTRAS = {"side_by_side": "_side.png", "geojson": ".geojson", "rle": "_rle.json"}  # option: ending
PICTURES = set(IMAGE_EXTENSIONS)
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
    command.add_argument(
        "inputs",
        nargs="*",
        type=file_path,
        metavar="INPUT",
        help="picture, folder, video, pattern ('shots/**/*.png'), @FILE (a list, one a line) or -, standard input",
    )
    command.add_argument(
        "--out",
        type=file_path,
        required=True,
        metavar="DIR",
        help="where the results go; -: the overlay video to standard output",
    )
    add_server(command)
    command.add_argument("--split", metavar="NAME", help="with --server: the split to predict (default: test)")
    command.add_argument("--resume", action="store_true", help="leave out pictures whose results are all there already")
    command.add_argument("--side-by-side", action="store_true", help="also NAME_side.png: picture, overlay and colours")
    command.add_argument("--geojson", action="store_true", help="also NAME.geojson: polygons of each class, in pixels")
    command.add_argument("--rle", action="store_true", help="also NAME_rle.json: COCO's uncompressed run lengths")
    command.add_argument(
        "--tile",
        type=whole(Range(256)),
        default=2048,
        metavar="SIDE",
        help="pictures of more than 64 million pixels are segmented in tiles of this side, which overlap (2048)",
    )
    command.add_argument(
        "--alpha", type=real(Range(0, 1)), default=0.5, help="opacity of the colours in the overlay (0 to 1)"
    )
    return command


def job(arguments: argparse.Namespace, backend: Backend) -> None:
    """All inputs are found and named before the first is segmented. One that cannot be read does not end the job."""
    check_server_options(arguments)
    if arguments.server is not None:
        _submit(arguments, backend)
        return
    if not arguments.inputs or arguments.split is not None:
        raise ConfigError("give pictures, folders or videos as INPUT, or --server NAME to predict a split")
    check_pipes(arguments.inputs, arguments.out)
    with from_pipe(arguments.inputs) as inputs, to_pipe(arguments.out) as out:
        _predict(arguments, backend, inputs, out)


def _predict(arguments: argparse.Namespace, backend: Backend, inputs: list[Path], out: Path) -> None:
    config, weights = resolve(arguments)
    pictures, videos = find_inputs(expanded(inputs), out)
    names = output_names(pictures, videos)
    space = config.label_space()
    spec = config.segmenter(space.num_classes).for_inference()
    config, predictor = open_network(config, spec, weights, arguments, backend)
    segment = in_tiles(_segmenter(config, spec, predictor), arguments.tile)
    extras = tuple(name for name in EXTRAS if getattr(arguments, name))
    palette = extended(space.palette, spec.num_classes)
    results = Results(out, segment, palette, arguments.alpha, extras, tuple(space.classes))
    require_folder(out, "--out")
    failed: list[Path] = []
    if arguments.resume:
        done = {path for path in pictures if results.complete(names[path], path)}
        print(f"{len(done)} of {len(pictures)} pictures have their results already", file=sys.stderr)
        pictures = [path for path in pictures if path not in done]
    for path in progress(pictures + videos, "predict", len(pictures) + len(videos)):
        try:
            if path.suffix.lower() in PICTURES:
                results.picture(names[path], read_image(path))
            else:
                results.video(names[path], path)
        except OutputError:
            raise
        except SegParityError as error:
            said = str(error) if str(path) in str(error) else f"{path}: {error}"
            tqdm.write(f"error: {said}", file=sys.stderr)
            failed.append(path)
    lost = sum(path.suffix.lower() in PICTURES for path in failed)
    print(f"{len(pictures) - lost} pictures, {len(videos) - len(failed) + lost} videos -> {arguments.out}")
    if failed:
        shown = ", ".join(map(str, failed[:10])) + (", …" if len(failed) > 10 else "")
        raise DataError(f"{len(failed)} of {len(names)} inputs could not be segmented, or not to their end: {shown}")


def _submit(arguments: argparse.Namespace, backend: Backend) -> None:
    """A split of the data set, with or without labels, as a server takes it."""
    if arguments.inputs:
        raise ConfigError(f"--server {arguments.server}: predicts a split of the data set, and takes no INPUT")
    config, weights = resolve(arguments)
    check_server(arguments.server, config.data.dataset)
    dataset = config.open_dataset(arguments.split or "test", require_labels=False)
    names = names_of_split(dataset)
    spec = config.segmenter(dataset.num_classes).for_inference()
    config, predictor = open_network(config, spec, weights, arguments, backend)
    segment = _segmenter(config, spec, predictor)
    require_file(arguments.out, "--out")
    with submission(arguments.out, arguments.server, dataset) as zipped:
        for index, name in enumerate(progress(names, f"predict {dataset.split}", len(names))):
            try:
                zipped.add(name, segment(dataset.image_of(index)))
            except SegParityError as error:
                said = str(error)
                raise DataError(
                    said if dataset.location(index) in said else f"{dataset.location(index)}: {said}"
                ) from error
    print(f"{len(names)} pictures of {dataset.name}/{dataset.split} -> {arguments.out}")


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


def expanded(inputs: Sequence[Path]) -> list[Path]:
    """Patterns as the files they match, and lists (@FILE) as what their lines name.

    A file of that very name comes first. Raises DataError for a pattern or a list that gives nothing.
    """
    found: list[Path] = []
    for path in inputs:
        text = str(path)
        if path.exists():
            found.append(path)
        elif text.startswith("@"):
            listing = Path(text[1:]).expanduser()
            if not listing.is_file():
                raise DataError(f"{listing}: no such list file")
            lines = listing.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
            named = [Path(line.strip()) for line in lines if line.strip()]
            if not named:
                raise DataError(f"{listing}: names no file")
            found += expanded([name if name.is_absolute() else listing.parent / name for name in named])
        elif any(character in text for character in "*?["):
            matches = sorted(p for p in map(Path, glob(text, recursive=True)) if p.suffix.lower() in PICTURES | VIDEOS)
            if not matches:
                raise DataError(f"{text}: matches no picture or video")
            found += matches
        else:
            found.append(path)
    return found


def in_tiles(segment: Segment, side: int) -> Segment:
    """`segment` for pictures of any size: above HUGE pixels tile by tile, in bounded memory.

    Tiles overlap by an eighth of their side on each edge, and of each the middle stands: what is far away no longer
    counts, so that the labels are not quite those of the whole picture.
    """
    margin = side // 8

    def tiled(picture: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        if height * width <= HUGE:
            return segment(picture)
        labels = np.empty((height, width), np.uint8)
        step = side - 2 * margin
        for top, left in itertools.product(range(0, height, step), range(0, width, step)):
            first, begin = max(0, min(top - margin, height - side)), max(0, min(left - margin, width - side))
            tile = segment(np.ascontiguousarray(picture[first : first + side, begin : begin + side]))
            rows, columns = slice(top, min(top + step, height)), slice(left, min(left + step, width))
            labels[rows, columns] = tile[
                rows.start - first : rows.stop - first, columns.start - begin : columns.stop - begin
            ]
        return labels

    return tiled


def find_inputs(inputs: list[Path], out: Path) -> tuple[list[Path], list[Path]]:
    """Pictures and videos, each once; folders are searched (not their subfolders).

    Raises DataError for what is neither, and for a folder that is `out`: its results would be inputs the next time.
    """
    found: dict[Path, Path] = {}  # resolved -> as given
    for path in inputs:
        if path.is_dir():
            if path.resolve() == out.resolve():
                raise DataError(f"{path}: its pictures' results would lie among them; give another folder as --out")
            files = sorted(
                p for p in path.iterdir() if p.suffix.lower() in PICTURES | VIDEOS and not is_macos_companion(p)
            )
            if not files:
                raise DataError(f"{path}: holds no picture or video")
        elif path.exists():
            files = [path]
        else:
            raise DataError(f"{path}: no such file or folder")
        for file in files:
            if file.suffix.lower() not in PICTURES | VIDEOS:
                raise DataError(f"{file}: neither a picture nor a video by its extension {file.suffix!r}")
            found.setdefault(file.resolve(), file)
    files = list(found.values())
    return [p for p in files if p.suffix.lower() in PICTURES], [p for p in files if p.suffix.lower() in VIDEOS]


def output_names(pictures: Sequence[Path], videos: Sequence[Path] = ()) -> dict[Path, str]:
    """The beginning of the names of each input's results: its own name, with its folders' where two share it.

    Raises DataError where two inputs would still write the same file.
    """
    names = {path: path.stem for path in (*pictures, *videos)}
    folders = {path: path.absolute().parts[1:-1] for path in names}
    for depth in range(1, max(map(len, folders.values()), default=0) + 1):
        shared = {name for name, count in Counter(names.values()).items() if count > 1}
        for path, name in names.items():
            if name in shared and depth <= len(folders[path]):
                names[path] = f"{folders[path][-depth]}_{name}"
    owners: dict[str, Path] = {}
    for path, name in names.items():
        frames = [v for v in videos if v != path and re.fullmatch(re.escape(names[v]) + r"_\d{6,}", name)]
        other = owners.get(name) or (frames[0] if frames else None)
        if other is not None:
            raise DataError(f"{other} and {path} would write the same files; predict them into two folders")
        owners[name] = path
    return names


@dataclass(frozen=True)
class Results:
    """Where results go, and how they are made. Raises OutputError where the disk does not take them."""

    folder: Path
    segment: Segment
    palette: np.ndarray
    alpha: float
    extras: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    def files(self, name: str) -> list[Path]:
        """All that a picture gets, the last to be written last."""
        endings = [EXTRAS[extra] for extra in self.extras]
        return [self.folder / f"{name}{ending}" for ending in (*endings, "_label.png", "_color.png", "_overlay.png")]

    def complete(self, name: str, path: Path) -> bool:
        """Whether the picture's results are there, and none is empty or older than the picture."""
        try:
            made, since = [file.stat() for file in self.files(name)], path.stat().st_mtime
        except OSError:
            return False
        return all(file.st_size > 0 and file.st_mtime >= since for file in made)

    def _extra(self, name: str, picture: np.ndarray, labels: np.ndarray) -> None:
        for extra in self.extras:
            path = self.folder / f"{name}{EXTRAS[extra]}"
            if extra == "side_by_side":
                shown = [picture, overlay(picture, labels, self.palette, self.alpha), colorize(labels, self.palette)]
                write_png(path, side_by_side(shown, ["picture", "overlay", "classes"]))
            else:
                shapes = to_geojson if extra == "geojson" else to_rle
                write_text(path, json.dumps(shapes(labels, self.classes)) + "\n")

    def picture(self, name: str, picture: np.ndarray) -> None:
        """NAME_label.png, NAME_color.png, NAME_overlay.png, and what else is asked for."""
        labels = self.segment(picture)
        self._extra(name, picture, labels)
        write_png(self.folder / f"{name}_label.png", labels)
        write_png(self.folder / f"{name}_color.png", colorize(labels, self.palette))
        write_png(self.folder / f"{name}_overlay.png", overlay(picture, labels, self.palette, self.alpha))

    def video(self, name: str, path: Path) -> None:
        """NAME_overlay.mp4 at the video's own rate, and NAME_<frame>_label.png.

        Raises DataError for a video that cannot be read, or not to the end that it announces; what was read is kept.
        """
        with VideoReader(path) as reader:
            first = next(reader, None)
            if first is None:
                raise DataError(f"{path}: the video holds no readable frame")
            frames = progress(itertools.chain([first], reader), path.name, reader.announced or None)
            with VideoWriter(
                self.folder / f"{name}_overlay.mp4", reader.rate, (first.shape[0], first.shape[1])
            ) as writer:
                for number, picture in enumerate(frames):
                    labels = self.segment(picture)
                    writer.write(overlay(picture, labels, self.palette, self.alpha))
                    write_png(self.folder / f"{name}_{number:06d}_label.png", labels)
            if writer.frames < reader.announced - max(2, reader.announced // 50):  # some containers only estimate
                raise DataError(
                    f"{path}: announces {reader.announced} frames, {writer.frames} can be read; the file may be cut "
                    "short"
                )

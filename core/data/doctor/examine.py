"""What is noted of every picture and label map: facts, without judgement."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from core.config import Config
from core.data.datasets.base import FileDataset, Pair
from core.data.datasets.containers import exif_orientation, is_8_bit, is_whole, lossy_format, png_palette
from core.data.datasets.images import read_image
from core.data.doctor.alignment import Fit, fit_of
from core.data.labels import IGNORE, OUT_OF_RANGE
from core.errors import DataError

Size = tuple[int, int]  # height, width
_KEPT_COLORS = 64


@dataclass
class Look:
    """One picture with its label map. What could not be read has its reason in `image_error` or `label_error`."""

    split: str
    index: int
    pair: Pair
    image_error: str = ""
    image_bytes: int = 0
    size: Size | None = None  # upright
    stored_size: Size | None = None
    orientation: int = 1
    grey: bool = False
    mean: np.ndarray = field(default_factory=lambda: np.zeros(3))  # of 0..255, RGB
    square: np.ndarray = field(default_factory=lambda: np.zeros(3))  # mean of the squares
    digest: bytes = b""  # of the pixels
    thumbnail: np.ndarray | None = None  # float32 [256], grey, 16x16
    label_error: str = ""
    label_bytes: int = 0
    lossy: str = ""
    channels: int = 0
    bits: int = 8
    equal_channels: bool = False
    colors: tuple[tuple[int, int, int], ...] = ()  # of a label map with several channels, most frequent first
    num_colors: int = 0
    palette: bytes | None = None
    stored: dict[int, int] = field(default_factory=dict)  # stored value -> pixels
    unknown: dict[int, int] = field(default_factory=dict)  # the same of values that stand for nothing
    label_size: Size | None = None
    counts: np.ndarray | None = None  # [C]
    ignored: int = 0
    label_digest: bytes = b""
    fit: Fit | None = None
    sky_color: np.ndarray | None = None  # mean RGB of the class sky, of the pictures that are fitted

    @property
    def name(self) -> str:
        return self.pair.name

    @property
    def fails(self) -> bool:
        """Whether reading it for training is an error."""
        differs = self.size and self.label_size and self.label_size not in (self.size, self.stored_size)
        return bool(self.image_error or self.label_error or self.unknown or self.pair.label is None or differs)

    @property
    def pixels(self) -> int:
        return sum(self.stored.values())


@dataclass
class Examination:
    """All that was looked at of a configuration's splits. `looks` by split; `sampled`: not all files were read."""

    config: Config
    datasets: dict[str, FileDataset]
    looks: dict[str, list[Look]]
    sampled: bool
    orphans: tuple[Path, ...] = ()
    weights: tuple[Path, str] | None = None  # a weight file and what it says of its normalisation

    @property
    def dataset(self) -> FileDataset:
        return next(iter(self.datasets.values()))

    @property
    def is_folder(self) -> bool:
        return self.config.data.dataset == "folder"

    def all(self) -> Iterator[Look]:
        for looks in self.looks.values():
            yield from looks

    def counts(self, split: str) -> np.ndarray:
        """[C]: labelled pixels of each class."""
        found = [look.counts for look in self.looks[split] if look.counts is not None]
        return np.sum(found, axis=0) if found else np.zeros(self.dataset.num_classes, np.int64)


def spread(count: int, wanted: int | None) -> list[int]:
    """`wanted` places, spread evenly over 0 … count - 1; all for None."""
    if wanted is None or wanted >= count:
        return list(range(count))
    return np.unique(np.linspace(0, count - 1, wanted).astype(int)).tolist()


def examine(
    config: Config,
    splits: Iterable[str],
    *,
    sample: int | None = None,
    workers: int = 1,
    fits: int = 24,
) -> Examination:
    """Reads the splits of a data set of files.

    Args:
        sample: how many pairs of each split are read; all for None.
        fits: of how many of the first split it is looked whether label maps fit their pictures.

    Raises:
        DataError: the data set cannot be opened at all, or has no files.
    """
    datasets: dict[str, FileDataset] = {}
    for split in dict.fromkeys(splits):
        dataset = config.open_dataset(split, require_labels=False)
        if not isinstance(dataset, FileDataset):
            raise DataError(f"data set {dataset.name!r} is drawn and has no files: there is nothing to look at")
        datasets[split] = dataset
    looks, sampled = {}, False
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for number, (split, dataset) in enumerate(datasets.items()):
            places = spread(len(dataset), sample)
            sampled = sampled or len(places) < len(dataset)
            fitted = {places[place] for place in spread(len(places), fits)} if number == 0 else set()
            jobs = [pool.submit(look_at, dataset, split, index, index in fitted) for index in places]
            looks[split] = [job.result() for job in jobs]
    orphans = {path for dataset in datasets.values() for path in _orphans(dataset)}
    return Examination(config, datasets, looks, sampled, tuple(sorted(orphans)))


def _orphans(dataset: FileDataset) -> list[Path]:
    """Label maps without a picture, where files of a pair have the same name."""
    known = getattr(dataset, "orphans", None)
    if known is not None:
        return list(known)
    pairs = [pair for pair in dataset.pairs if pair.label is not None]
    if not pairs or any(pair.label is not None and pair.label.stem != pair.image.stem for pair in pairs):
        return []
    folders = {(pair.image.parent, pair.label.parent, pair.label.suffix) for pair in pairs if pair.label is not None}
    found = []
    for images, labels, suffix in folders:
        stems = {path.stem for path in images.iterdir()}
        found += [path for path in labels.glob(f"*{suffix}") if path.stem not in stems]
    return [path for path in found if not path.name.startswith(".")]


def look_at(dataset: FileDataset, split: str, index: int, fitting: bool) -> Look:
    """The facts of one pair; errors are noted, not raised."""
    pair = dataset.pairs[index]
    look = Look(split, index, pair)
    label = None if pair.label is None else _look_at_label(look, dataset, pair.label)
    image = _look_at_image(look, pair.image)
    if fitting and label is not None and image is not None:
        look.fit = fit_of(image, label)
        if image.shape[:2] == label.shape:
            sky = [number for number, name in enumerate(dataset.classes) if name.lower() == "sky"]
            look.sky_color = image[label == sky[0]].mean(0) if sky and (label == sky[0]).sum() > 100 else None
    return look


def _look_at_image(look: Look, path: Path) -> np.ndarray | None:
    try:
        image = read_image(path, like=look.label_size)
        data = path.read_bytes()
    except (DataError, OSError) as error:
        look.image_error = str(error)
        look.image_bytes = path.stat().st_size if path.is_file() else -1
        return None
    look.image_bytes = len(data)
    look.orientation = exif_orientation(data)
    look.size = (image.shape[0], image.shape[1])
    look.stored_size = look.size
    if look.orientation >= 5:  # `image` is upright, or as stored where the label map wants it
        upright = read_image(path).shape
        look.size, look.stored_size = (upright[0], upright[1]), (upright[1], upright[0])
    step = max(1, min(image.shape[:2]) // 256)
    small = image[::step, ::step].astype(np.float64)
    look.mean, look.square = small.mean((0, 1)), (small**2).mean((0, 1))
    look.grey = bool((np.ptp(image[::step, ::step], axis=2) == 0).all())
    look.digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
    look.thumbnail = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (16, 16), interpolation=cv2.INTER_AREA)
    look.thumbnail = look.thumbnail.astype(np.float32).ravel()
    return image


def _look_at_label(look: Look, dataset: FileDataset, path: Path) -> np.ndarray | None:
    """Notes what the file holds; the class numbers where it can be read (unknown values as ignored)."""
    try:
        data = path.read_bytes()
    except OSError as error:
        look.label_error = f"{path}: cannot be read ({error.strerror or error})"
        return None
    look.label_bytes = len(data)
    look.lossy = lossy_format(data) or ""
    look.palette = png_palette(data)
    try:
        stored = dataset.decode(path)
    except DataError as error:
        look.label_error = str(error)
        _look_at_pixels(look, data)
        return None
    if look.palette is None and not is_8_bit(data):
        look.bits = 16
    if stored.dtype == np.uint8 and getattr(dataset, "labels_are", "numbers") != "numbers":
        _look_at_pixels(look, data)
    values, pixels = _histogram(stored)
    table = dataset.label_table(path)
    classes = np.array([table[value] if value < len(table) else OUT_OF_RANGE for value in values], np.int16)
    look.stored = dict(zip(values.tolist(), pixels.tolist()))
    look.unknown = {int(v): int(n) for v, n, c in zip(values, pixels, classes) if c == OUT_OF_RANGE}
    look.label_size = (stored.shape[0], stored.shape[1])
    look.counts = np.zeros(dataset.num_classes, np.int64)
    for number, count in zip(classes, pixels):
        if 0 <= number < IGNORE:
            look.counts[number] += count
        elif number == IGNORE:
            look.ignored += int(count)
    look.label_digest = hashlib.blake2b(stored.tobytes(), digest_size=16).digest()
    full = np.full(1 << 16, IGNORE, np.uint8)
    full[values] = np.where(classes < 0, IGNORE, classes)
    return full[stored]


def _look_at_pixels(look: Look, data: bytes) -> None:
    """Channels and colours of a label map that holds no plain numbers."""
    if not data or not is_whole(data):
        return
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return
    if pixels is None:
        return
    look.label_size = (pixels.shape[0], pixels.shape[1])
    look.channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    look.bits = 8 * pixels.dtype.itemsize
    if pixels.ndim == 2:
        if pixels.dtype == np.uint8:
            values, counts = _histogram(pixels)
            look.stored = dict(zip(values.tolist(), counts.tolist()))
        return
    rgb = pixels[..., 2::-1] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, 2)
    look.equal_channels = bool((np.ptp(rgb, axis=2) == 0).all())
    packed = rgb.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    colors, counts = np.unique(packed, return_counts=True)
    look.num_colors = len(colors)
    order = np.argsort(-counts, kind="stable")[:_KEPT_COLORS]
    look.colors = tuple((int(c) >> 16 & 255, int(c) >> 8 & 255, int(c) & 255) for c in colors[order])


def _histogram(stored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of uint8 or uint16 [H, W] that occur, and how often."""
    counts = np.bincount(stored.ravel())
    values = np.flatnonzero(counts)
    return values, counts[values]

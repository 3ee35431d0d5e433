"""Predictions as the servers and tools of published benchmarks take them: one zip file.

cityscapes   NAME_leftImg8bit.png of label ids (not train ids), at the picture's size. As cityscapesscripts reads them
             (evaluation/evalPixelLevelSemanticLabeling.py, helpers/labels.py).
ade20k       NAME.png, 1 to 150; 0 stands for nothing (the development kit of SceneParsing150).
voc          results/VOC2012/Segmentation/comp6_test_cls/NAME.png, indices 0 to 20 with VOC's colours (the
             development kit; `_val_cls` for val).
context      NAME.png as the labels of PASCAL Context's 59 classes (1 to 59) or 60 (0 to 59), with VOC's colours.
coco_stuff   segmentations.json: COCO's result format, a run-length mask for each picture and stuff category
             (92 to 182); things are 183, "other" (github.com/nightrome/cocostuffapi).
bdd100k      NAME.png of train ids, 255 for none (the toolkit's "sem_seg" bit masks).
"""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from core.data.datasets.base import Dataset
from core.data.label_decoding import encode_png
from core.data.labels import IGNORE, LabelSpace, voc_palette
from core.data.prepare.rle import encode_counts, runs_of
from core.errors import ConfigError, DataError
from core.files import atomic_output

_FIRST_STUFF, _LAST_STUFF, _OTHER = 92, 182, 183  # category ids of COCO-Stuff
_DATE = (1980, 1, 1, 0, 0, 0)  # the same predictions make the same file


class Writer(Protocol):
    """What becomes of predictions."""

    def add(self, name: str, prediction: np.ndarray) -> Iterator[tuple[str, bytes]]:
        """A picture's files, names and contents. prediction: uint8 [H, W], class numbers."""

    def end(self) -> Iterator[tuple[str, bytes]]:
        """The files that come last."""


@dataclass(frozen=True)
class PngWriter:
    """A PNG for each picture. stored: uint8 [256], what stands for each class; palette: its colours, if it has any."""

    stored: np.ndarray
    file_name: str
    palette: np.ndarray | None = None

    def add(self, name: str, prediction: np.ndarray) -> Iterator[tuple[str, bytes]]:
        label = self.stored[prediction]
        data = encode_png(label) if self.palette is None else palette_png(label, self.palette)
        yield self.file_name.format(name=name), data

    def end(self) -> Iterator[tuple[str, bytes]]:
        return iter(())


class CocoWriter:
    """COCO's results. categories: uint8 [256], the category id of each class, 0 for none."""

    def __init__(self, categories: np.ndarray) -> None:
        self.categories = categories
        self.results: list[dict[str, Any]] = []

    def add(self, name: str, prediction: np.ndarray) -> Iterator[tuple[str, bytes]]:
        digits = name.rpartition("_")[2]
        if not digits.isdigit():
            raise DataError(f"{name}: no number of a COCO picture can be made of this name")
        found = self.categories[prediction]
        for category in np.unique(found[found > 0]).tolist():
            counts = encode_counts(runs_of(found == category))
            self.results.append(
                {
                    "image_id": int(digits),
                    "category_id": category,
                    "segmentation": {"size": list(found.shape), "counts": counts},
                }
            )
        return iter(())

    def end(self) -> Iterator[tuple[str, bytes]]:
        yield "segmentations.json", json.dumps(self.results).encode()


@dataclass(frozen=True)
class Server:
    """What a server takes. `datasets`: the sets whose predictions it scores; `writer`: of a split and its labels."""

    datasets: tuple[str, ...]
    writer: Callable[[str, LabelSpace], Writer]


def stored_values(space: LabelSpace, numbering: str | None, nothing: int) -> np.ndarray:
    """uint8 [256]: the published value of each class; `nothing` for outputs beyond the classes."""
    table = np.full(256, nothing, np.uint8)
    table[: space.num_classes] = space.numbering(numbering).published
    return table


def _cityscapes(split: str, space: LabelSpace) -> Writer:
    return PngWriter(stored_values(space, "labelIds", 0), "{name}_leftImg8bit.png")


def _ade20k(split: str, space: LabelSpace) -> Writer:
    return PngWriter(stored_values(space, "SceneParsing150", 0), "{name}.png")


def _voc(split: str, space: LabelSpace) -> Writer:
    kind = "test" if split == "test" else "val"
    folder = f"results/VOC2012/Segmentation/comp6_{kind}_cls"
    return PngWriter(stored_values(space, "voc", 0), f"{folder}/{{name}}.png", voc_palette(256))


def _context(split: str, space: LabelSpace) -> Writer:
    return PngWriter(stored_values(space, "59", 0), "{name}.png", voc_palette(256))


def _coco_stuff(split: str, space: LabelSpace) -> Writer:
    categories = stored_values(space, "10k", 0)  # ids as COCO has them
    things = (categories > 0) & ((categories < _FIRST_STUFF) | (categories > _LAST_STUFF))
    return CocoWriter(np.where(things, _OTHER, categories).astype(np.uint8))


def _bdd100k(split: str, space: LabelSpace) -> Writer:
    return PngWriter(stored_values(space, None, IGNORE), "{name}.png")


SERVERS: dict[str, Server] = {
    "cityscapes": Server(("cityscapes",), _cityscapes),
    "ade20k": Server(("ade20k",), _ade20k),
    "voc": Server(("voc",), _voc),
    "context": Server(("pascal_context",), _context),
    "coco_stuff": Server(("cocostuff164k", "cocostuff10k"), _coco_stuff),
    "bdd100k": Server(("bdd100k",), _bdd100k),
}


class Submission:
    """The zip file of one split's predictions, being written."""

    def __init__(self, archive: zipfile.ZipFile, writer: Writer) -> None:
        self.archive, self.writer = archive, writer

    def add(self, name: str, prediction: np.ndarray) -> None:
        """A picture's prediction, uint8 [H, W]. Raises DataError for a name that the server cannot take."""
        self._write(self.writer.add(name, prediction))

    def _write(self, files: Iterator[tuple[str, bytes]]) -> None:
        for name, data in files:
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED if name.endswith(".json") else zipfile.ZIP_STORED
            self.archive.writestr(entry, data)


def check_server(server: str, dataset: str) -> None:
    """Raises ConfigError where the data set is not one whose predictions the server takes."""
    takes = SERVERS[server].datasets
    if dataset not in takes:
        raise ConfigError(
            f"--server {server}: takes predictions of {' or '.join(takes)}, but data.dataset is {dataset!r}"
        )


@contextmanager
def submission(path: Path, server: str, dataset: Dataset) -> Iterator[Submission]:
    """The file at `path`, whole at the end of the block or not there.

    Raises ConfigError where the server takes no predictions of that data set, OutputError where the disk takes no more.
    """
    check_server(server, dataset.name)
    with atomic_output(path) as file, zipfile.ZipFile(file, "w") as archive:
        result = Submission(archive, SERVERS[server].writer(dataset.split, dataset.space))
        yield result
        result._write(result.writer.end())


def palette_png(label: np.ndarray, palette: np.ndarray) -> bytes:
    """A label map uint8 [H, W] as PNG of colour type 3 with the colours of `palette`, uint8 [256, 3]."""
    height, width = label.shape
    rows = np.zeros((height, width + 1), np.uint8)  # filter 0 before each row: flat areas deflate well without
    rows[:, 1:] = label

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))

    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = (b"IHDR", head), (b"PLTE", palette.tobytes()), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, data) for name, data in parts)

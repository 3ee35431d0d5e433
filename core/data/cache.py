"""Decoded samples, kept: `data.cache: memory` for as long as the process lives, `disk` for the next run too.

A sample is one file, its picture's and its label map's bytes one after the other, which all workers map into memory:
what is kept is there once, and of a picture only the rows that a crop needs are touched. Files are written beside their
place and renamed, so that no process sees half of one. Which sample a file holds says its name: a checksum of the two
files' paths, sizes and times of change and of the data set's options. A file that changes is decoded anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import struct
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core.data.datasets.base import Dataset, FileDataset, Sample
from core.data.decoding import Picture, Whole
from core.errors import ConfigError, OutputError
from core.files import PARTIAL
from core.signals import is_alive

_HEAD = struct.Struct("<8sIII")  # mark, height, width, whether there is a label
_MARK = b"SEGPCH01"
_SHARED_MEMORY = Path("/dev/shm")
_PREFIX = "segparity-cache-"
_SPARE = 256 << 20  # bytes that are left free: loaders hand batches over in the same shared memory
_GIB = 1 << 30


Kind = Literal["none", "memory", "disk"]


def default_folder() -> Path:
    """Where decoded samples are kept on disk if nothing else is said."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "segparity" / "decoded"


def cached(dataset: Dataset, kind: Kind, folder: str | None, gib: float, options: Mapping[str, Any]) -> Dataset:
    """The data set, its samples kept.

    Args:
        dataset: a data set of files.
        kind: `memory`: in shared memory, once for all workers, as long as this process lives; `disk`: in `folder`.
        folder: for `disk`, on a fast disk; it may serve several runs and data sets at once.
        gib: the most that is kept, GiB; what comes after is decoded anew each time.
        options: those that the data set was opened with.

    Raises ConfigError for a data set without files, OutputError where the folder cannot be used.
    """
    if kind == "none":
        return dataset
    if not isinstance(dataset, FileDataset):
        raise ConfigError(f"data.cache: data set {dataset.name!r} has no files to keep; leave data.cache at none")
    if kind == "disk":
        place, owner = Path(folder).expanduser() if folder else default_folder(), None
    else:
        _remove_orphans()
        base = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
        place = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=base))
        owner = os.getpid()
    kept = CachedDataset(dataset, place, int(gib * _GIB), json.dumps(dict(options), sort_keys=True, default=str))
    if owner is not None:
        weakref.finalize(kept, _remove, place, owner)
    return kept


class CachedDataset(Dataset):
    """A data set of files whose decoded samples are kept in `folder`, up to `limit` bytes.

    options: what else decides how files are read, as text.
    """

    def __init__(self, dataset: FileDataset, folder: Path, limit: int, options: str) -> None:
        self.dataset = dataset
        self.name, self.split, self.splits = dataset.name, dataset.split, dataset.splits  # type: ignore[misc]
        self.space, self.reads_root = dataset.space, dataset.reads_root  # type: ignore[misc]
        self.folder, self.limit = folder, limit
        self.options = f"{type(dataset).__qualname__} {dataset.split} {options}"
        self.full = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._forget_unknown()
        except OSError as error:
            raise OutputError(f"{folder}: cannot keep decoded samples ({error.strerror}); data.cache") from error

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        picture, label = self.open_sample(index)
        return Sample(picture.first(*picture.size), label, self.name_of(index))

    def name_of(self, index: int) -> str:
        return self.dataset.name_of(index)

    def location(self, index: int) -> str:
        return self.dataset.location(index)

    def label_of(self, index: int) -> np.ndarray | None:
        path = self._path(index)
        kept = _read(path) if path is not None else None
        return self.dataset.label_of(index) if kept is None else kept[1]

    def open_sample(self, index: int) -> tuple[Picture, np.ndarray | None]:
        path = self._path(index)
        kept = _read(path) if path is not None else None
        if kept is not None:
            return Whole(kept[0]), kept[1]
        if path is None or self.full:
            return self.dataset.open_sample(index)
        sample = self.dataset[index]
        self._keep(path, sample)
        return Whole(sample.image), sample.label

    def _path(self, index: int) -> Path | None:
        """Where the sample is kept; None for one whose files cannot be told apart: reading it says what is wrong."""
        pair = self.dataset.pairs[index]
        key = [self.options]
        for file in (pair.image, pair.label):
            if file is None:
                continue
            try:
                status = os.stat(file)
            except OSError:
                return None
            key.append(f"{file.absolute()} {status.st_size} {status.st_mtime_ns}")
        return self.folder / f"{hashlib.sha256('|'.join(key).encode()).hexdigest()[:40]}.sample"

    def _keep(self, path: Path, sample: Sample) -> None:
        """Writes the sample, if there is room; says once in each process why there is none."""
        height, width = sample.image.shape[:2]
        head = np.frombuffer(_HEAD.pack(_MARK, height, width, sample.label is not None), np.uint8)
        arrays = [head, sample.image] if sample.label is None else [head, sample.image, sample.label]
        size = sum(array.nbytes for array in arrays)
        temporary = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")
        try:
            with self._taken() as total:
                if total.bytes + size > self.limit:
                    return self._stop(f"data.cache_gib ({self.limit / _GIB:g} GiB) is full")
                if shutil.disk_usage(self.folder).free < size + _SPARE:
                    return self._stop(f"{self.folder} has less than {_SPARE >> 20} MiB left")
                total.bytes += size
            with open(temporary, "wb") as file:
                for array in arrays:
                    file.write(np.ascontiguousarray(array).data)
            os.replace(temporary, path)
        except OSError as error:
            self._stop(f"{self.folder}: {error.strerror or error}")
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _stop(self, reason: str) -> None:
        self.full = True
        print(f"WARNING: data.cache: {reason}; what is not kept yet is decoded anew each time", file=sys.stderr)

    @contextmanager
    def _taken(self) -> Iterator[_Total]:
        """The bytes that are taken in the folder, which one process at a time counts."""
        with open(self.folder / "bytes", "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            total = _Total(int(file.read() or b"0"))
            yield total
            file.truncate(0)
            file.write(str(total.bytes).encode())

    def _forget_unknown(self) -> None:
        """Counts what is there anew, and deletes what was half written by processes that are gone."""
        with self._taken() as total:
            total.bytes = 0
            for path in self.folder.iterdir():
                if path.name.endswith(PARTIAL) and not is_alive(path.name.split(".")[-2]):
                    path.unlink(missing_ok=True)
                elif path.suffix == ".sample":
                    total.bytes += path.stat().st_size


@dataclass
class _Total:
    bytes: int


def _read(path: Path) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Picture uint8 [H, W, 3] and label [H, W] of a file, mapped; None if there is none or it is not whole."""
    try:
        data = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError):
        return None
    if len(data) < _HEAD.size:
        return None
    mark, height, width, labelled = _HEAD.unpack(data[: _HEAD.size].tobytes())
    pixels, end = height * width, _HEAD.size + 3 * height * width
    if mark != _MARK or len(data) != end + pixels * labelled:
        return None
    plain = data.view(np.ndarray)
    image = plain[_HEAD.size : end].reshape(height, width, 3)
    return image, plain[end:].reshape(height, width) if labelled else None


def _remove_orphans() -> None:
    """Deletes what processes that were killed have left in shared memory."""
    with suppress(OSError):
        for path in _SHARED_MEMORY.glob(f"{_PREFIX}*"):
            if not is_alive(path.name.removeprefix(_PREFIX).split("-")[0]):
                shutil.rmtree(path, ignore_errors=True)


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # not in a worker that was forked
        shutil.rmtree(folder, ignore_errors=True)

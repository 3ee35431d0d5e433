"""Batches from a loader's workers through shared memory, for frameworks whose loaders would send them through a pipe.

A worker writes the batch to a file in shared memory and sends its name; the reader maps the file and deletes it, so
that the arrays live as long as somebody looks at them. Where there is no room (a container's /dev/shm of 64 MiB), the
batch goes through the pipe as before: slower, and said once. Files of workers or readers that were killed are deleted
by the next loader.
"""

from __future__ import annotations

import mmap
import os
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path

import numpy as np

from core.data.pipeline import Item, collate
from core.signals import is_alive

FOLDER = Path("/dev/shm")
_PREFIX = "segparity-batch-"
_SPARE = 16 << 20  # bytes left to the framework's own use of shared memory
_said = False


@dataclass(frozen=True)
class Handed:
    """A batch in a file: images float32 [N, 3, H, W], then labels int64 [N, H, W]."""

    path: str
    shape: tuple[int, int, int]  # N, H, W

    def take(self) -> Item:
        """The batch; the file is deleted. To be called once, by the reader."""
        with open(self.path, "r+b") as file:
            os.unlink(self.path)
            data = mmap.mmap(file.fileno(), 0)
        return _arrays(data, self.shape)


class Handover:
    """What one loader's workers put batches together with; its reader uses `received`, and closes it."""

    def __init__(self) -> None:
        self.prefix = f"{_PREFIX}{os.getpid()}-{secrets.token_hex(6)}-"

    def __call__(self, batch: Sequence[Item]) -> Item | Handed:
        """Samples put together: for the reader in another process in shared memory, if this is a worker with room.

        Raises DataError for samples of several sizes.
        """
        shapes = {image.shape for image, _ in batch} | {(3, *label.shape) for _, label in batch}
        if parent_process() is None or len(shapes) != 1 or not FOLDER.is_dir():
            return collate(batch)
        _, height, width = next(iter(shapes))
        shape = (len(batch), height, width)
        path = FOLDER / f"{self.prefix}{secrets.token_hex(8)}"
        try:
            data = _room(path, _bytes(shape))
        except OSError as error:
            path.unlink(missing_ok=True)
            say_slower(f"{FOLDER}: {error.strerror or error}")
            return collate(batch)
        images, labels = _arrays(data, shape)
        for place, (image, label) in enumerate(batch):
            images[place], labels[place] = image, label
        return Handed(str(path), shape)

    def close(self) -> None:
        """Deletes the files that nobody has taken, and those of processes that are gone."""
        with suppress(OSError):
            for path in FOLDER.glob(f"{_PREFIX}*"):
                reader = path.name.removeprefix(_PREFIX).split("-")[0]
                if path.name.startswith(self.prefix) or not is_alive(reader):
                    path.unlink(missing_ok=True)


def received(batch: Item | Handed) -> Item:
    """What a worker has sent."""
    return batch.take() if isinstance(batch, Handed) else batch


def _room(path: Path, size: int) -> mmap.mmap:
    """A new file of `size` bytes, mapped. Raises OSError where there is no room: touching it would kill the process."""
    free = os.statvfs(FOLDER)
    if free.f_bavail * free.f_frsize < size + _SPARE:
        raise OSError(None, f"no room for a batch of {size >> 20} MiB")
    with open(path, "x+b") as file:
        os.posix_fallocate(file.fileno(), 0, size)
        return mmap.mmap(file.fileno(), size)


def _arrays(data: mmap.mmap, shape: tuple[int, int, int]) -> Item:
    count, height, width = shape
    pixels = count * height * width
    images = np.frombuffer(data, np.float32, 3 * pixels).reshape(count, 3, height, width)
    return images, np.frombuffer(data, np.int64, pixels, _labels_at(shape)).reshape(shape)


def _labels_at(shape: tuple[int, int, int]) -> int:
    return -(-12 * shape[0] * shape[1] * shape[2] // 8) * 8


def _bytes(shape: tuple[int, int, int]) -> int:
    return _labels_at(shape) + 8 * shape[0] * shape[1] * shape[2]


def say_slower(reason: str) -> None:
    """That batches go through a pipe, once in a process."""
    global _said
    if not _said:
        _said = True
        print(
            f"WARNING: {reason}; batches go through a pipe, which is slower (a container's shared memory is enlarged "
            "with docker run --shm-size)",
            file=sys.stderr,
        )

"""Weight files on disk: read through a memory map, written whole or not at all."""

from __future__ import annotations

import mmap
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from core.errors import WeightsError


def map_file(path: Path) -> memoryview:
    """The file's bytes as a read-only memory map; pages are read when touched, and freed with the last view.

    Raises:
        WeightsError: if it does not exist, is no regular file, is empty or may not be read.
    """
    try:
        # Non-blocking, so that a named pipe is refused below instead of waited for.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be opened ({getattr(error, 'strerror', None) or error})") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise WeightsError(f"{path}: not a regular file; give the weight file itself")
        if status.st_size == 0:
            raise WeightsError(f"{path}: the file is empty")
        return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    finally:
        os.close(descriptor)


@contextmanager
def atomic_output(path: Path) -> Iterator[BinaryIO]:
    """A file that becomes `path` when the block ends well; on an error `path` stays as it was and nothing is left.

    The bytes go to a temporary file in the same directory, are flushed to the disk, and are renamed over `path`.

    Raises:
        WeightsError: if the directory cannot be written to, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    """Make the rename itself durable, where the platform can open a directory."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

"""Files on disk: weights read through a memory map, results written whole or not at all, errors in one sentence."""

from __future__ import annotations

import mmap
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from core.errors import OutputError, WeightsError

PARTIAL = ".partial"  # the end of the name of a file that is being written


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
        OutputError: if the directory cannot be written to, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    """Make the rename itself durable, where the platform can open a directory."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """An OSError in the block (full disk, missing right, a file where a folder should be) names `path`."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def write_text(path: Path, text: str) -> None:
    """`atomic_output` for text; the folder is made."""
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(path) as file:
        file.write(text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a small file, many of which are written. Raises OutputError, and leaves no half of it."""
    with naming(path):
        try:
            path.write_bytes(data)
        except OSError:
            if path.is_file():
                path.unlink()
            raise


def require_folder(path: Path, option: str) -> None:
    """Makes the folder that results will go to, and tries it. Raises OutputError, which names the `option`."""
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path}: is a file; {option} needs a folder")
    with naming(path):
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".try."):
            pass


def require_file(path: Path, option: str) -> None:
    """Sees to it that a file can be written at `path`. Raises OutputError, which names the `option`."""
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; {option} needs the name of a file")
    require_folder(path.parent, option)

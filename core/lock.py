"""A lock that a process holds as long as it lives: the kernel releases it, however the process ends."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import CheckpointError
from core.files import naming

_held: set[int] = set()  # open files with a lock


def _let_go() -> None:
    """In a forked child (a loader's worker, say): it outlives a killed parent, and must not keep the parent's lock."""
    for handle in _held:
        with suppress(OSError):
            os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


@contextmanager
def locked(path: Path, taken: str) -> Iterator[None]:
    """Holds the lock file at `path`, in which the holder's process number stands.

    Raises CheckpointError, which says `taken` and the number, if another process holds it.
    """
    with naming(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    _held.add(handle)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            number = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise CheckpointError(f"{taken} (process {number})") from None
        except OSError as error:
            print(f"{path}: this file system has no locks ({error.strerror}); start one process only", file=sys.stderr)
        with naming(path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        if handle in _held:
            _held.discard(handle)
            os.close(handle)


def is_held(path: Path) -> bool:
    """Whether another process holds the lock file at `path` now; nothing is changed."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False

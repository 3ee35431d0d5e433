"""Archives and folders to read from, none of which is trusted: nothing in them decides where a file is written.

Members are read, never extracted: links are refused, names that lead out of the archive refuse it, and so do sizes that
no data set has (bombs). Raises DataError, naming the archive.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from core.archive_rules import leads_out, overlapping
from core.data.datasets.listing import is_macos_companion
from core.errors import DataError

ZIP = (".zip",)
TAR = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")

MOST_BYTES = 4 << 30
"""Of one member that is read into memory. The largest of a known data set are COCO's annotations, 0.5 GB."""
_MOST_ON_DISK = 64 << 30
_MOST_MEMBERS = 5_000_000
_SUSPECT_BYTES, _SUSPECT_RATIO = 64 << 20, 100
"""More bytes than the first that were packed tighter than the second are no pictures and no labels."""

Wanted = Callable[["ArchiveMember"], bool]


@dataclass
class ArchiveMember:
    """A file in an archive or a folder; `fetch` opens it. `share`: the bytes of the source up to here, for progress."""

    path: str
    origin: str
    where: str
    size: int
    fetch: Callable[[], IO[bytes]]
    scratch: Path
    file: Path | None = None  # where it lies on the disk already
    data: bytes | None = None  # of a tar's member, which can be read only in passing
    share: int = 0

    def read(self) -> bytes:
        if self.data is not None:
            return self.data
        if self.size > MOST_BYTES:
            raise DataError(f"{self.where}: holds {self.size} bytes, more than any file of a data set")
        with reading(self.where), self.fetch() as file:
            data = file.read(self.size + 1)
        if len(data) != self.size:
            raise DataError(f"{self.where}: is not {self.size} bytes long, as the archive says; fetch it again")
        return data

    def on_disk(self) -> Path:
        if self.file is not None:
            return self.file
        copy = self.scratch / PurePosixPath(self.path).name
        if self.data is not None:
            copy.write_bytes(self.data)
        elif not copy.is_file():
            with reading(self.where), self.fetch() as source, open(copy, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        return copy


@contextmanager
def reading(where: str) -> Iterator[None]:
    """What goes wrong in reading an archive, as a DataError."""
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{where}: the archive is cut short or damaged ({error}); fetch it again") from None
    except OSError as error:
        raise DataError(f"{where}: cannot be read ({error.strerror or error})") from error


def members(place: Path, base: Path, scratch: Path, wanted: Wanted) -> Iterator[ArchiveMember]:
    """The members of an archive, of a folder with what archives it holds, or a file by itself, that are `wanted`.

    place: file or folder. base: what names are told from. scratch: a folder for copies.
    """
    if place.is_dir():
        for parent, folders, files in os.walk(place):
            folders.sort()
            for name in sorted(files):
                if not is_macos_companion(Path(name)):
                    yield from members(Path(parent) / name, base, scratch, wanted)
        return
    name = place.name.lower()
    if name.endswith(ZIP):
        yield from _zip_members(place, base, scratch, wanted)
    elif name.endswith(TAR):
        yield from _tar_members(place, base, scratch, wanted)
    else:
        path = _told_from(place, base)
        folder = str(PurePosixPath(path).parent) if "/" in path else place.parent.name
        size, fetch = place.stat().st_size, lambda: place.open("rb")
        member = ArchiveMember(path, folder, str(place), size, fetch, scratch, place, share=size)
        if wanted(member):
            yield member


def weigh(place: Path) -> int:
    """The bytes of all archives and files that `members` looks into, so that shares of them can be told."""
    if place.is_dir():
        return sum((Path(parent) / name).stat().st_size for parent, _, names in os.walk(place) for name in names)
    return place.stat().st_size


def _told_from(place: Path, base: Path) -> str:
    return (place.relative_to(base) if place != base else Path(place.name)).as_posix()


def safe_path(name: str, archive: Path) -> str:
    """A member's path with "/" between its parts. Raises DataError for one that leads out of the archive."""
    if leads_out(name):
        raise DataError(f"{archive}: has a member {name!r}, which leads out of the folder; the archive is not trusted")
    return "/".join(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def _sensible(size: int, packed: int, where: str, limit: int = _MOST_ON_DISK) -> None:
    if size > limit or (size > _SUSPECT_BYTES and size > _SUSPECT_RATIO * max(packed, 1)):
        raise DataError(
            f"{where}: {packed} bytes that unpack to {size}: no file of a data set, perhaps made to fill disks"
        )


def _zip_members(place: Path, base: Path, scratch: Path, wanted: Wanted) -> Iterator[ArchiveMember]:
    with reading(str(place)):
        archive = zipfile.ZipFile(place)
        entries = archive.infolist()
    origin = _told_from(place, base)
    if len(entries) > _MOST_MEMBERS:
        raise DataError(f"{place}: {len(entries)} members; no archive of a data set")
    spans = ((entry.header_offset, entry.header_offset + entry.compress_size, entry.filename) for entry in entries)
    shared = overlapping(spans)
    if shared is not None:
        raise DataError(f"{place}: member {shared[1]!r} overlaps another; the archive is not trusted")
    _sensible(sum(entry.file_size for entry in entries), place.stat().st_size, str(place), 1 << 50)
    share = 0
    for entry in entries:
        share += entry.compress_size
        path = safe_path(entry.filename, place)
        if entry.is_dir() or is_macos_companion(Path(path)):
            continue
        where = f"{place}: {path}"
        folder = f"{origin}/{PurePosixPath(path).parent}"
        member = ArchiveMember(path, folder, where, entry.file_size, partial(archive.open, entry), scratch)
        if not wanted(member):
            continue
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise DataError(f"{where}: is a link, not a file; the archive is not trusted")
        if entry.flag_bits & 1:
            raise DataError(f"{where}: is encrypted; unpack the archive, and give the folder")
        _sensible(entry.file_size, entry.compress_size, where)
        member.share, share = share, 0
        yield member


def _tar_members(place: Path, base: Path, scratch: Path, wanted: Wanted) -> Iterator[ArchiveMember]:
    packed, unpacked, origin = place.stat().st_size, 0, _told_from(place, base)
    at = 0
    with reading(str(place)), open(place, "rb") as raw, tarfile.open(fileobj=raw, mode="r|*") as archive:
        for number, entry in enumerate(archive):
            if number > _MOST_MEMBERS:
                raise DataError(f"{place}: more than {_MOST_MEMBERS} members; no archive of a data set")
            unpacked += entry.size
            where = f"{place}: {entry.name}"
            _sensible(unpacked, packed, str(place), 1 << 50)
            _sensible(entry.size, packed, where)
            path = safe_path(entry.name, place)
            if entry.isdir() or is_macos_companion(Path(path)):
                continue
            folder = f"{origin}/{PurePosixPath(path).parent}"
            member = ArchiveMember(path, folder, where, entry.size, _passed, scratch)
            if not wanted(member):
                continue
            if not entry.isreg():
                raise DataError(f"{where}: is a link or a device, not a file; the archive is not trusted")
            file = archive.extractfile(entry)
            assert file is not None
            if entry.size > MOST_BYTES:
                member.file = scratch / PurePosixPath(path).name
                with open(member.file, "wb") as target:
                    shutil.copyfileobj(file, target, 1 << 20)
            else:
                member.data = file.read()
                if len(member.data) != entry.size:
                    raise DataError(f"{where}: the archive is cut short; fetch it again")
            member.share, at = raw.tell() - at, raw.tell()
            yield member


def _passed() -> IO[bytes]:
    raise AssertionError("a tar's member is read when it is passed")

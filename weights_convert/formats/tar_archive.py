"""`.tar`, `.tar.gz`, `.tgz`: a strict reader of archives that hold weights. Nothing is ever unpacked to the disk.

Python's `tarfile` is made for honest archives. Here only plain files and folders are let in; a link, a device, a name
that leads out of the archive, two members of one name and a member cut short are refused, and an archive that unpacks
to far more than its size is left off while it is unpacked.
Layout: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU's long names ('L').
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.archive_rules import leads_out
from core.errors import WeightsError
from core.tensors import Limits, human

BLOCK = 512
GZIP = b"\x1f\x8b"
CHUNK = 1 << 20
ROOM = 64 << 20  # that a small archive may unpack to beyond `Limits.max_expansion`
MOST_MEMBERS = 10_000
LONGEST_HEADER = 1 << 16
PLAIN, FOLDER, LONG_NAME, PAX, PAX_GLOBAL = b"0", b"5", b"L", b"x", b"g"
REFUSED = {b"1": "a link", b"2": "a link", b"3": "a device", b"4": "a device", b"6": "a named pipe"}


@dataclass(frozen=True)
class _Header:
    name: str
    size: int
    kind: bytes


class TarArchive:
    """The files of an archive by name, in its order; each a view of the unpacked bytes.

    Raises:
        WeightsError: for everything that is not a well-formed archive of plain files within the limits.
    """

    def __init__(self, path: Path, data: memoryview, limits: Limits) -> None:
        self.where = str(path)
        self.members: dict[str, memoryview] = {}
        self.data = memoryview(self._unpacked(data, limits)) if data[:2] == GZIP else data
        self._read()
        if not self.members:
            raise self._error("the archive holds no file")

    def _error(self, text: str) -> WeightsError:
        return WeightsError(f"{self.where}: {text}")

    def _unpacked(self, data: memoryview, limits: Limits) -> bytearray:
        """The bytes that were compressed; several gzip members follow each other in files that tools have joined."""
        most = int(len(data) * limits.max_expansion) + ROOM
        out, position = bytearray(), 0
        while position < len(data) and data[position : position + 2] == GZIP:
            engine = zlib.decompressobj(16 + zlib.MAX_WBITS)
            while not engine.eof:
                piece = data[position : position + CHUNK]
                if not piece:
                    raise self._error("the gzip stream is cut: get the file again")
                waiting: bytes | memoryview = piece
                while waiting and not engine.eof:
                    try:
                        out += engine.decompress(waiting, CHUNK)
                    except zlib.error as error:
                        raise self._error(f"the gzip stream is damaged ({error}): get the file again") from error
                    if len(out) > most:
                        raise self._error(
                            f"unpacks to more than {human(most)}, far more than weights of {human(len(data))} do; if "
                            "it is trusted, unpack it and give the folder"
                        )
                    waiting = engine.unconsumed_tail
                position += len(piece) - len(engine.unused_data)
        if bytes(data[position:]).strip(b"\0"):
            raise self._error(f"{human(len(data) - position)} follow the gzip stream that belong to none: damaged")
        return out

    def _read(self) -> None:
        for count, (header, content) in enumerate(self._entries()):
            if count >= MOST_MEMBERS:
                raise self._error(f"more than {MOST_MEMBERS} members")
            name = self._checked_name(header.name)
            if header.kind in REFUSED:
                raise self._error(f"the member {name!r} is {REFUSED[header.kind]}: only plain files are read")
            if header.kind == FOLDER:
                continue
            if header.kind not in (PLAIN, b"\0", b"7"):
                raise self._error(f"the member {name!r} is of an unknown kind {header.kind!r}: refused")
            if name in self.members:
                raise self._error(f"two members are named {name!r}")
            self.members[name] = content

    def _entries(self) -> Iterator[tuple[_Header, memoryview]]:
        """Members with their content; names and sizes that stand in headers of their own are put in place."""
        position, changes, common = 0, dict[str, str](), dict[str, str]()
        while True:
            block = self.data[position : position + BLOCK]
            if len(block) < BLOCK:
                raise self._error("the archive is cut: get the file again")
            if not any(block):
                return  # two empty blocks end an archive; what follows is padding
            header = self._header(bytes(block))
            if header.kind not in (LONG_NAME, PAX, PAX_GLOBAL):
                header = self._changed(header, common | changes)
            start = position + BLOCK
            content = self.data[start : start + header.size]
            if len(content) < header.size:
                raise self._error(
                    f"the member {header.name[:80]!r} claims {human(header.size)}, {human(len(content))} are left: cut"
                )
            position = start + -(-header.size // BLOCK) * BLOCK
            if header.kind in (LONG_NAME, PAX, PAX_GLOBAL):
                if header.size > LONGEST_HEADER:
                    raise self._error(f"a header of {human(header.size)}: damaged")
                if header.kind == LONG_NAME:
                    changes["path"] = self._text(bytes(content).rstrip(b"\0"))
                else:
                    (common if header.kind == PAX_GLOBAL else changes).update(self._pax(bytes(content)))
                continue
            changes = {}
            yield header, content

    def _header(self, block: bytes) -> _Header:
        if self._number(block[148:156]) != sum(block[:148]) + 8 * 32 + sum(block[156:]):
            raise self._error("a header's checksum is wrong: no tar archive, or damaged")
        name = self._text(block[:100].split(b"\0")[0])
        prefix = block[345:500].split(b"\0")[0] if block[257:263] == b"ustar\0" else b""
        return _Header(f"{self._text(prefix)}/{name}" if prefix else name, self._number(block[124:136]), block[156:157])

    def _number(self, raw: bytes) -> int:
        """Octal digits, or a big-endian number whose first bit is set (GNU)."""
        if raw[0] & 0x80:
            return int.from_bytes(bytes([raw[0] & 0x7F]) + raw[1:], "big")
        digits = raw.strip(b" \0")
        if not all(digit in b"01234567" for digit in digits):
            raise self._error(f"{raw!r} is no number of a header: no tar archive, or damaged")
        return int(digits or b"0", 8)

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise self._error("a member's name is not valid UTF-8") from error

    def _pax(self, content: bytes) -> dict[str, str]:
        """Records `length key=value\\n`."""
        found: dict[str, str] = {}
        while content:
            length, space, _ = content.partition(b" ")
            if (
                not space
                or not length.isdigit()
                or len(length) > 6
                or not len(length) + 1 < int(length) <= len(content)
            ):
                raise self._error("a pax header is damaged")
            key, equals, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
            if not equals:
                raise self._error("a pax header is damaged")
            if key.startswith(b"GNU.sparse"):
                raise self._error("a member is stored with holes (GNU sparse): pack it without --sparse")
            if key in (b"path", b"size"):
                found[key.decode()] = self._text(value)
            content = content[int(length) :]
        return found

    def _changed(self, header: _Header, changes: dict[str, str]) -> _Header:
        size = changes.get("size", str(header.size))
        if not (size.isascii() and size.isdigit() and len(size) < 20):
            raise self._error(f"a pax header gives the size {size[:20]!r}: damaged")
        return _Header(changes.get("path", header.name), int(size), header.kind)

    def _checked_name(self, name: str) -> str:
        if leads_out(name) or "\\" in name:
            raise self._error(f"a member is named {name[:80]!r}, which leads out of the archive: refused")
        return "/".join(part for part in name.split("/") if part not in ("", "."))


def is_archive(data: memoryview) -> bool:
    """Whether the file is compressed with gzip, as no format of weights is, or a tar archive."""
    return data[:2] == GZIP or bytes(data[257:262]) == b"ustar"

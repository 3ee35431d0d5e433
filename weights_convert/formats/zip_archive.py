"""The zip container of `torch.save`: a strict reader over a memory map.

Python's `zipfile` is made for honest archives: it lets members overlap and builds large objects from small ones. Here
every member must lie inside the file, in front of the central directory, apart from all the others, under a name of
its own.
Layout: APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3 (zip64).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from core.archive_rules import leads_out, overlapping
from core.errors import WeightsError
from core.tensors import Limits, human

_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<4sIQI")
_ENTRY = struct.Struct("<4sHHHHHHIIIHHHHHII")
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
STORED, DEFLATED = 0, 8


@dataclass(frozen=True)
class Member:
    """One member: where its (possibly compressed) bytes lie in the file."""

    name: str
    method: int
    crc: int
    start: int
    stored_size: int
    size: int


class ZipArchive:
    """The members of an archive by name.

    Raises:
        WeightsError: for everything that is not a well-formed archive within the limits.
    """

    def __init__(self, data: memoryview, where: str, limits: Limits) -> None:
        self.data = data
        self.where = where
        self.limits = limits
        self.unpacked = 0
        self.inflated: dict[str, memoryview] = {}
        self.members: dict[str, Member] = {}
        start, size, count = self._directory()
        if count > limits.max_items:
            raise self._error(f"{count} members; if trusted, raise Limits.max_items")
        spans = self._read_directory(start, size, count)
        shared = overlapping([*spans, (start, start, "the directory")])
        if shared is not None:
            raise self._error(f"the members {shared[0]!r} and {shared[1]!r} overlap")

    def read(self, name: str) -> memoryview:
        """The member's bytes: a view of the file where it is stored, a copy where it is compressed.

        Raises:
            WeightsError: if there is no such member, or it unpacks to another size or to more than the limits allow.
        """
        member = self.members.get(name)
        if member is None:
            raise self._error(f"the member {name!r} is missing")
        view = self.data[member.start : member.start + member.stored_size]
        if member.method == STORED:
            return view
        if name not in self.inflated:
            self.inflated[name] = self._inflate(member, view)
        return self.inflated[name]

    def matches_checksum(self, name: str) -> bool:
        """Whether the member's bytes have the CRC-32 its directory entry states."""
        return zlib.crc32(self.read(name)) == self.members[name].crc

    def _error(self, text: str) -> WeightsError:
        return WeightsError(f"{self.where}: {text}")

    def _inflate(self, member: Member, view: memoryview) -> memoryview:
        self.unpacked += member.size
        if self.unpacked > self.limits.logical_bytes(len(self.data)):
            raise self._error(
                f"the compressed member {member.name!r} claims {human(member.size)}, too much for a file of "
                f"{human(len(self.data))} (torch stores without compression); if trusted, raise Limits.max_expansion"
            )
        engine = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            unpacked = engine.decompress(view, member.size + 1)
        except zlib.error as error:
            raise self._error(f"the compressed member {member.name!r} is damaged") from error
        if len(unpacked) != member.size or not engine.eof:
            raise self._error(
                f"the compressed member {member.name!r} does not unpack to the {member.size} bytes it claims"
            )
        return memoryview(unpacked)

    def _directory(self) -> tuple[int, int, int]:
        """Offset, size and number of entries of the central directory."""
        data = self.data
        tail = bytes(data[max(0, len(data) - _END.size - 0xFFFF) :])
        at = tail.rfind(b"PK\x05\x06")
        while at >= 0:
            end = len(data) - len(tail) + at
            if len(data) - end >= _END.size:
                _, disk, _, _, count, size, start, comment = _END.unpack_from(data, end)
                if end + _END.size + comment == len(data):
                    break
            at = tail.rfind(b"PK\x05\x06", 0, at)
        else:
            raise self._error("a zip archive without its directory at the end: the file is cut")
        if 0xFFFF in (count, disk) or 0xFFFFFFFF in (size, start):
            end, start, size, count = self._directory64(end)
        if start + size > end:
            raise self._error("the zip directory lies outside of the file")
        return start, size, count

    def _directory64(self, end: int) -> tuple[int, int, int, int]:
        """The same from the zip64 record, after that record's own offset."""
        at = end - _LOCATOR64.size
        if at < 0 or self.data[at : at + 4] != b"PK\x06\x07":
            raise self._error("the zip64 locator is missing: the file is damaged")
        _, _, record, _ = _LOCATOR64.unpack_from(self.data, at)
        if record + _END64.size > at or self.data[record : record + 4] != b"PK\x06\x06":
            raise self._error("the zip64 directory record lies outside of the file")
        *_, count, size, start = _END64.unpack_from(self.data, record)
        return record, start, size, count

    def _read_directory(self, start: int, size: int, count: int) -> list[tuple[int, int, str]]:
        """Fills `members`; returns the span of each in the file, with its local header."""
        position, end = start, start + size
        spans = []
        for _ in range(count):
            if position + _ENTRY.size > end or self.data[position : position + 4] != b"PK\x01\x02":
                raise self._error("the zip directory is damaged")
            fields = _ENTRY.unpack_from(self.data, position)
            flags, method, crc = fields[3], fields[4], fields[7]
            sizes = [fields[9], fields[8], fields[16]]  # unpacked, stored, offset of the local header
            name_size, extra_size, comment_size = fields[10:13]
            after_name = position + _ENTRY.size + name_size
            position = after_name + extra_size + comment_size
            if position > end:
                raise self._error("the zip directory is damaged")
            raw_name = bytes(self.data[after_name - name_size : after_name])
            name = self._name(raw_name)
            if 0xFFFFFFFF in sizes:
                sizes = self._zip64_sizes(name, sizes, bytes(self.data[after_name : after_name + extra_size]))
            if flags & 0x41:
                raise self._error(f"the member {name!r} is encrypted")
            if method not in (STORED, DEFLATED) or (method == STORED and sizes[0] != sizes[1]):
                raise self._error(f"the member {name!r} is compressed in a way torch never does (method {method})")
            data_start = self._local(name, raw_name, sizes[2])
            if data_start + sizes[1] > start:
                raise self._error(
                    f"the member {name!r} claims {human(sizes[1])}, more than the file holds: cut or damaged"
                )
            spans.append((sizes[2], data_start + sizes[1], name))
            self.members[name] = Member(name, method, crc, data_start, sizes[1], sizes[0])
        if position != end:
            raise self._error("the zip directory has bytes left over: damaged")
        return spans

    def _name(self, raw: bytes) -> str:
        try:
            name = raw.decode()
        except UnicodeDecodeError as error:
            raise self._error("a member's name is not valid UTF-8") from error
        if not name or leads_out(name) or "\\" in name:
            raise self._error(f"a member is named {name[:80]!r}, which leads out of the archive: refused")
        if name in self.members:
            raise self._error(f"two members are named {name[:80]!r}")
        return name

    def _zip64_sizes(self, name: str, sizes: list[int], extra: bytes) -> list[int]:
        at = 0
        while at + 4 <= len(extra):
            kind, length = struct.unpack_from("<HH", extra, at)
            body = extra[at + 4 : at + 4 + length]
            if kind == 1:
                values = [int.from_bytes(body[i : i + 8], "little") for i in range(0, len(body) - 7, 8)]
                if len(values) >= sizes.count(0xFFFFFFFF):
                    return [values.pop(0) if size == 0xFFFFFFFF else size for size in sizes]
            at += 4 + length
        raise self._error(f"the member {name!r} lacks its zip64 sizes: damaged")

    def _local(self, name: str, raw_name: bytes, at: int) -> int:
        """Where the data begins: after the local header, which must be the same member's."""
        if at + _LOCAL.size > len(self.data) or self.data[at : at + 4] != b"PK\x03\x04":
            raise self._error(f"the member {name!r} has no header where the directory says: cut or damaged")
        *_, name_size, extra_size = _LOCAL.unpack_from(self.data, at)
        begin = at + _LOCAL.size
        if bytes(self.data[begin : begin + name_size]) != raw_name:
            raise self._error(f"the member {name!r} has another name in its own header: damaged")
        return begin + name_size + extra_size

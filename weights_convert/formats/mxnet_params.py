"""`.params`: MXNet's list of NDArrays, as `mx.nd.save`, Gluon's `save_parameters` and `save_checkpoint` write it.

Layout, little-endian (src/ndarray/ndarray.cc, `NDArray::Save` and `Load`):
    uint64 0x112, uint64 0, uint64 number of arrays, the arrays, uint64 number of names (0 for a plain list),
    and each name as uint64 length and bytes.
One array, by its first word:
    0xF993FAC9 (1.0 on)    int32 storage type (0 dense), then as the next
    0xF993FACA (numpy shapes, where () is a scalar)    the same fields
    0xF993FAC8 (0.11)      int32 dimensions, int64 extents
    any other (before)     the word itself is the number of dimensions, uint32 extents
    then int32 device type, int32 device number, int32 element type, and the elements.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from core.errors import WeightsError
from core.tensors import Budget, Limits, Tensors, checked, human, listing, raw_bytes, widen_bfloat16

LIST_MAGIC = 0x112
MAGIC_V1, MAGIC_V2, MAGIC_V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
STORAGE_TYPES = {0: "dense", 1: "row_sparse", 2: "csr"}
# mshadow's type flags (3rdparty/mshadow/mshadow/base.h).
TYPE_FLAGS = {
    0: "float32",
    1: "float64",
    2: "float16",
    3: "uint8",
    4: "int32",
    5: "int8",
    6: "int64",
    7: "bool",
    8: "int16",
    9: "uint16",
    10: "uint32",
    11: "uint64",
    12: "bfloat16",
}
WRITABLE = {name: flag for flag, name in TYPE_FLAGS.items() if flag < 8}  # what MXNet 1.x itself can load
_I4, _U4, _I8, _U8 = struct.Struct("<i"), struct.Struct("<I"), struct.Struct("<q"), struct.Struct("<Q")


def read(path: Path, data: memoryview, limits: Limits) -> Tensors:
    """Read an NDArray list; the prefixes "arg:" and "aux:" of symbol files are taken off and kept as `roles`.

    Raises:
        WeightsError: if the file is cut, damaged, holds sparse arrays or arrays without data.
    """
    reader = _Reader(str(path), data, limits)
    if reader.number(_U8) != LIST_MAGIC or reader.number(_U8) != 0:
        raise reader.error("not an NDArray list")
    count = reader.number(_U8)
    if count > limits.max_items or count * 16 > len(data):
        raise reader.error(f"{count} arrays are announced, more than a file of {human(len(data))} can hold")
    if not count:
        raise reader.error("holds no tensor")
    arrays = [reader.array(index) for index in range(count)]
    names, notes = reader.names(count), []
    if not names:
        names = [str(index) for index in range(count)]
        notes.append("the file holds a list without names; the arrays are numbered")
    if reader.position != len(data):
        raise reader.error(f"{human(len(data) - reader.position)} are left over after the last name: damaged")
    if reader.widened:
        widened = [names[index] for index in reader.widened]
        notes.append(f"widened from bfloat16 to float32, which loses nothing: {listing(widened)}")
    names, roles = _split_roles(names)
    if len(set(names)) != len(names):
        twice = sorted(name for name, times in Counter(names).items() if times > 1)
        raise reader.error(f"two arrays have the same name: {listing(twice, 5)}")
    wrapping = ("arg:", "aux:") if roles else ()
    return Tensors(dict(zip(names, arrays)), {}, "params", notes, wrapping, roles=roles)


def _split_roles(names: list[str]) -> tuple[list[str], dict[str, str]]:
    """Names without "arg:" and "aux:", if every one has such a prefix, and which had which."""
    if not all(name.startswith(("arg:", "aux:")) for name in names):
        return names, {}
    return [name[4:] for name in names], {name[4:]: name[:3] for name in names}


class _Reader:
    """A position in the file; every read is checked against the end."""

    def __init__(self, where: str, data: memoryview, limits: Limits) -> None:
        self.where = where
        self.data = data
        self.position = 0
        self.budget = Budget(where, len(data), limits)
        self.widened: list[int] = []

    def error(self, text: str) -> WeightsError:
        return WeightsError(f"{self.where}: {text} (byte {self.position})")

    def take(self, size: int, what: str) -> memoryview:
        left = len(self.data) - self.position
        if size > left:
            raise self.error(f"{what} needs {human(size)}, {human(left)} are left: the file is cut or damaged")
        view = self.data[self.position : self.position + size]
        self.position += size
        return view

    def number(self, layout: struct.Struct) -> int:
        return layout.unpack(self.take(layout.size, "a number"))[0]

    def array(self, index: int) -> np.ndarray:
        what = f"array {index}"
        shape = self._shape(what)
        device, _ = self.number(_I4), self.number(_I4)
        if device not in (1, 2, 3, 5):  # cpu, gpu, cpu pinned, cpu shared
            raise self.error(f"{what} lies on an unknown device type {device}: damaged")
        flag = self.number(_I4)
        name = TYPE_FLAGS.get(flag)
        if name is None:
            raise self.error(f"{what} has the unknown element type {flag}")
        dtype = np.dtype("<u2" if name == "bfloat16" else name).newbyteorder("<")
        count = self.budget.claim(what, shape, dtype.itemsize)
        raw = self.take(count * dtype.itemsize, what)
        array = np.frombuffer(raw, dtype).reshape(shape) if count else np.empty(shape, dtype)
        if name == "bfloat16":
            self.widened.append(index)
            return widen_bfloat16(array)
        return array

    def _shape(self, what: str) -> tuple[int, ...]:
        magic = self.number(_U4)
        if magic in (MAGIC_V2, MAGIC_V3):
            storage = self.number(_I4)
            if storage != 0:
                kind = STORAGE_TYPES.get(storage, f"unknown ({storage})")
                raise self.error(
                    f"{what} has the storage type {kind}; only dense arrays are read (use NDArray.tostype('default'))"
                )
        if magic in (MAGIC_V1, MAGIC_V2, MAGIC_V3):
            layout, dimensions = _I8, self.number(_I4)
        else:
            layout, dimensions = _U4, magic
        if dimensions < 0 or (dimensions == 0 and magic != MAGIC_V3):
            raise self.error(f"{what} has no data: saved before its shape was known")
        if dimensions > 32:
            raise self.error(f"{what} has {dimensions} dimensions: no array begins here, or the file is damaged")
        shape = tuple(self.number(layout) for _ in range(dimensions))
        if any(extent < 0 for extent in shape):
            raise self.error(f"{what} has the shape {shape}: saved before its shape was known, or damaged")
        return shape

    def names(self, count: int) -> list[str]:
        if (announced := self.number(_U8)) not in (0, count):
            raise self.error(f"{announced} names for {count} arrays: damaged")
        names = []
        for index in range(announced):
            raw = self.take(self.number(_U8), f"name {index}")
            if len(raw) > 4096:
                raise self.error(f"name {index} has {human(len(raw))}")
            try:
                names.append(str(raw, "utf-8"))
            except UnicodeDecodeError as error:
                raise self.error(f"name {index} is not valid UTF-8") from error
        return names


def write(file: BinaryIO, where: str, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> list[str]:
    """Write what `mx.nd.load` and Gluon's `load_parameters` read; tensors with a role get their "arg:" or "aux:" back.

    Raises:
        WeightsError: for scalars and empty arrays, which MXNet takes for arrays of unknown shape.
    """
    arrays = checked(where, tensors, WRITABLE)
    roles = tensors.roles if isinstance(tensors, Tensors) else {}
    unknown = [f"{name} {array.shape}" for name, array in arrays.items() if not array.size or not array.ndim]
    if unknown:
        raise WeightsError(
            f"{where}: MXNet cannot hold scalars and empty arrays, whose shapes it takes for unknown: "
            f"{listing(unknown)}; "
            "leave them out, or give a scalar the shape (1,)"
        )
    file.write(struct.pack("<QQQ", LIST_MAGIC, 0, len(arrays)))
    for array in arrays.values():
        file.write(struct.pack(f"<Iii{array.ndim}q", MAGIC_V2, 0, array.ndim, *array.shape))
        file.write(struct.pack("<iii", 1, 0, WRITABLE[array.dtype.name]))
        file.write(raw_bytes(array))
    file.write(_U8.pack(len(arrays)))
    for name in arrays:
        raw = f"{roles[name]}:{name}".encode() if name in roles else name.encode()
        file.write(_U8.pack(len(raw)) + raw)
    return ["a .params file holds no metadata; it was left out"] if metadata else []

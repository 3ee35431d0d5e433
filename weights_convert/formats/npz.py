"""`.npz`: a zip archive of `.npy` files, one array each, as `numpy.savez` writes it.

Layout of `.npy` (numpy/lib/format.py): the magic "\\x93NUMPY", two bytes of version, the header's length (uint16 in
version 1, uint32 from 2 on), the header, a dictionary of literals in text, and the elements. Read here instead of with
numpy, whose reader unpickles arrays of objects and takes a shape's word for how much memory to allocate.
"""

from __future__ import annotations

import ast
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from core.errors import WeightsError
from core.tensors import Budget, Limits, Tensors, checked, listing, shown
from weights_convert.formats.pickle_names import DTYPE_CODE
from weights_convert.formats.zip_archive import ZipArchive

MAGIC = b"\x93NUMPY"
SUFFIX = ".npy"
LONGEST_HEADER = 10_000  # numpy's own bound
WRITABLE = {
    name: name
    for name in (
        *("float64", "float32", "float16", "int64", "int32", "int16", "int8"),
        *("uint64", "uint32", "uint16", "uint8", "bool", "complex64", "complex128"),
    )
}


def holds_arrays(data: memoryview) -> bool:
    """Whether the first member of a zip archive is an array: so begins no other format of weights."""
    if len(data) < 30 or data[:4] != b"PK\x03\x04":
        return False
    (length,) = struct.unpack_from("<H", data, 26)
    return bytes(data[30 : 30 + length]).endswith(SUFFIX.encode())


def read(path: Path, data: memoryview, limits: Limits) -> Tensors:
    """Read an archive of arrays; those stored without compression are views of the map.

    Raises:
        WeightsError: if the archive or an array is damaged, hostile, or of another type than numbers.
    """
    where = str(path)
    archive = ZipArchive(data, where, limits)
    others = [name for name in archive.members if not name.endswith(SUFFIX) or name == SUFFIX]
    if others:
        raise WeightsError(f"{where}: an archive of arrays with other members: {listing(others, 5)}")
    budget = Budget(where, len(data), limits)
    arrays: dict[str, np.ndarray] = {}
    for member in archive.members:
        if limits.verify_checksums and not archive.matches_checksum(member):
            raise WeightsError(f"{where}: damaged, the checksum is wrong in {member!r}; get the file again")
        arrays[member.removesuffix(SUFFIX)] = _array(member, archive.read(member), budget)
    if not arrays:
        raise WeightsError(f"{where}: holds no tensor")
    return Tensors(arrays, {}, "npz")


def _array(member: str, raw: memoryview, budget: Budget) -> np.ndarray:
    where = f"{budget.where}: {member}"
    if len(raw) < 12 or raw[:6] != MAGIC or raw[6] not in (1, 2, 3):
        raise WeightsError(f"{where}: not an .npy file")
    layout = struct.Struct("<H" if raw[6] == 1 else "<I")
    (length,) = layout.unpack_from(raw, 8)
    start = 8 + layout.size + length
    if length > LONGEST_HEADER or start > len(raw):
        raise WeightsError(f"{where}: a header of {length} bytes: cut or damaged")
    code, fortran, shape = _header(where, bytes(raw[8 + layout.size : start]))
    dtype = np.dtype(code)
    count = budget.claim(member, shape, dtype.itemsize)
    if count * dtype.itemsize != len(raw) - start:
        raise WeightsError(
            f"{where}: an array of shape {shape} and type {dtype} needs {count * dtype.itemsize} bytes and has "
            f"{len(raw) - start}"
        )
    if not count:
        return np.empty(shape, dtype.newbyteorder("<"))
    array = np.frombuffer(raw[start:], dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("<"), copy=False)


def _header(where: str, raw: bytes) -> tuple[str, bool, tuple[int, ...]]:
    """Type code, Fortran order and shape."""
    if b"\\" in raw:  # Python would warn of escapes that it does not know
        raise WeightsError(f"{where}: its header is no dictionary of plain text: damaged")
    try:
        header = ast.literal_eval(raw.decode().strip())
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise WeightsError(f"{where}: its header is no dictionary: damaged") from error
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise WeightsError(f"{where}: its header is not numpy's: damaged")
    code, fortran, shape = header["descr"], header["fortran_order"], header["shape"]
    if not isinstance(code, str) or not DTYPE_CODE.fullmatch(code):
        raise WeightsError(f"{where}: the type {shown(code)} is refused: only numbers and booleans are weights")
    if not isinstance(shape, tuple) or not isinstance(fortran, bool):
        raise WeightsError(f"{where}: its header is not numpy's: damaged")
    return code, fortran, shape


def write(file: BinaryIO, where: str, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> list[str]:
    """Write what `numpy.load` reads, without compression."""
    arrays = checked(where, tensors, WRITABLE)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(name + SUFFIX, date_time=(1980, 1, 1, 0, 0, 0))
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
    return ["an .npz file holds no metadata; it was left out"] if metadata else []

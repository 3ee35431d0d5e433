"""Reading MATLAB's files: versions 4 to 7 by SciPy, 7.3 (which is HDF5) by h5py; both come with the extra `data`."""

from __future__ import annotations

import importlib
import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from core.errors import DataError

_COMPRESSED = 15  # miCOMPRESSED, of an element's tag
_MOST_BYTES = 1 << 29
_HDF5 = b"\x89HDF\r\n\x1a\n"


def require(package: str, path: str | Path) -> ModuleType:
    """The module. Raises DataError that says how to install it."""
    try:
        return importlib.import_module(package)
    except ImportError:
        name = package.partition(".")[0]
        raise DataError(f"{path}: reading it needs {name}, which is not installed; run `pip install {name}`") from None


def is_hdf5(head: bytes) -> bool:
    """Whether a file that begins so is MATLAB's version 7.3, which puts 512 bytes of its own before HDF5."""
    return head.startswith(b"MATLAB 7.3") or head.startswith(_HDF5) or head[512:520] == _HDF5


def read_mat(path: str | Path, *keys: str, data: bytes | None = None) -> np.ndarray:
    """The variable `keys[0]` of a file of version 4 to 7, its field `keys[1]` and so on, without axes of length 1 in
    front.

    `data`: the file's bytes, where they are at hand. Raises DataError.
    """
    if data is None:
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    if is_hdf5(data[:520]):
        return _read_hdf5(path, data, keys)
    _refuse_bombs(data, path)
    scipy_io = require("scipy.io", path)
    try:
        value: Any = scipy_io.loadmat(io.BytesIO(data), variable_names=[keys[0]], squeeze_me=False)
    except Exception as error:  # a damaged file raises whatever its bytes lead to
        raise DataError(f"{path}: no MATLAB file, or one that is damaged ({error})") from error
    for depth, key in enumerate(keys):
        try:
            value = value[key]
            while isinstance(value, np.ndarray) and value.dtype.kind in "OV" and value.shape == (1, 1):
                value = value[0, 0]
        except (KeyError, IndexError, ValueError, TypeError):
            raise DataError(f"{path}: holds no {'.'.join(keys[: depth + 1])}") from None
    return np.asarray(value)


def _refuse_bombs(data: bytes, path: str | Path) -> None:
    """Variables that are compressed say their size in the first bytes of what is compressed."""
    position = 128
    while position + 8 <= len(data):
        kind, length = struct.unpack("<II", data[position : position + 8])
        if kind == _COMPRESSED:
            with suppress(zlib.error, struct.error):  # SciPy says what is wrong
                head = zlib.decompressobj().decompress(data[position + 8 : position + 8 + length], 8)
                if struct.unpack("<I", head[4:8])[0] > _MOST_BYTES:
                    raise DataError(f"{path}: holds a variable larger than any label map, perhaps made to fill memory")
        position += 8 + length


def _read_hdf5(path: str | Path, data: bytes, keys: tuple[str, ...]) -> np.ndarray:
    h5py = require("h5py", path)
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            value = hdf5_array(file, "/".join(keys), path)[()]
    except OSError as error:
        raise DataError(f"{path}: no MATLAB file, or one that is damaged ({error})") from error
    return np.asarray(value).T  # MATLAB stores columns first


def hdf5_array(file: Any, name: str, path: str | Path) -> Any:
    """The array called `name` of an open HDF5 file. Raises DataError if it is absent, or lies in another file."""
    h5py = require("h5py", path)
    if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
        raise DataError(f"{path}: holds no array {name.replace('/', '.')}")
    array = file[name]
    if array.external or array.is_virtual:
        raise DataError(f"{path}: {name} lies in another file, which is not read")
    if array.dtype.kind not in "iufb":
        raise DataError(f"{path}: {name} holds no numbers")
    return array


def smallest_kind(value: np.ndarray, path: str | Path) -> np.ndarray:
    """Whole numbers of any type as uint8 or, where they need it, uint16. Raises DataError for others."""
    with np.errstate(invalid="ignore"):
        whole = value.astype(np.int64)
    if value.dtype.kind not in "iufb" or (whole != value).any() or (whole.size and not whole.min() >= 0):
        raise DataError(f"{path}: holds numbers that are no labels, such as negative or broken ones")
    largest = int(whole.max()) if whole.size else 0
    if largest >= 1 << 16:
        raise DataError(f"{path}: holds numbers up to {largest}, more than 16 bits; labels are smaller")
    return whole.astype(np.uint8 if largest < 256 else np.uint16)

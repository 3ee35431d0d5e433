"""`.safetensors`: the canonical format. uint64 size of the header, the header in JSON, the tensors' bytes without gaps.

Layout: https://github.com/huggingface/safetensors#format. Read here instead of with the package, so that arrays stay
views of the memory map, every refusal names the tensor, and a file of a run is read by the rules of any other weights.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from core.errors import WeightsError
from core.files import map_file
from core.tensors import (
    Budget,
    Limits,
    Tensors,
    checked,
    human,
    listing,
    raw_bytes,
    shown,
    widen_bfloat16,
)

DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
}
WRITABLE = {name: code for code, name in DTYPES.items() if name != "bfloat16"}


def load(path: Path) -> Tensors:
    """The file's tensors as arrays of their own, and its metadata. Raises WeightsError as `read` and `map_file` do."""
    found = read(path, map_file(path), Limits())
    return replace(found, arrays={name: np.array(array) for name, array in found.arrays.items()})


def save(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Writes the tensors in place, for files that another process waits for; others go through `atomic_output`.

    Raises WeightsError for a tensor that the format cannot hold.
    """
    with open(path, "wb") as file:
        write(file, str(path), tensors, metadata or {})


def read(path: Path, data: memoryview, limits: Limits) -> Tensors:
    """Read a safetensors file; arrays are views of the map, in the order of the header.

    Raises:
        WeightsError: if the header or an entry is not exactly what the format says, or the tensors overlap or leave
            gaps.
    """
    where = str(path)
    header, start = _header(where, data, limits)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise WeightsError(f"{where}: __metadata__ is not a dictionary of text")
    budget = Budget(where, len(data), limits)
    arrays: dict[str, np.ndarray] = {}
    widened: list[str] = []
    spans: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        dtype, shape, begin, end = _entry(where, name, entry)
        storage = np.dtype("<u2" if dtype == "bfloat16" else dtype).newbyteorder("<")
        count = budget.claim(name, shape, storage.itemsize)
        if end > len(data) - start:
            raise WeightsError(
                f"{where}: tensor {name!r} ends at {human(end)}, the file holds "
                f"{human(len(data) - start)}: cut or damaged"
            )
        if end - begin != count * storage.itemsize:
            raise WeightsError(f"{where}: tensor {name!r} of shape {shape} and type {dtype} has {end - begin} bytes")
        raw = data[start + begin : start + end]
        arrays[name] = np.frombuffer(raw, storage).reshape(shape) if count else np.empty(shape, storage)
        if dtype == "bfloat16":
            widened.append(name)
        spans.append((begin, end, name))
    _check_spans(where, spans, len(data) - start)
    for name in widened:
        arrays[name] = widen_bfloat16(arrays[name])
    if not arrays:
        raise WeightsError(f"{where}: holds no tensor")
    notes = [f"widened from bfloat16 to float32, which loses nothing: {listing(widened)}"] if widened else []
    return Tensors(arrays, metadata, "safetensors", notes)


def _header(where: str, data: memoryview, limits: Limits) -> tuple[dict[str, Any], int]:
    """The header's dictionary and where the tensors' bytes begin."""
    if len(data) < 8:
        raise WeightsError(f"{where}: {len(data)} bytes are no safetensors file: cut")
    (size,) = struct.unpack_from("<Q", data, 0)
    if size > len(data) - 8:
        raise WeightsError(f"{where}: the header claims {human(size)}, the file has {human(len(data))}: cut or damaged")
    if size > limits.max_header:
        raise WeightsError(f"{where}: a header of {human(size)}; if trusted, raise Limits.max_header")
    raw = bytes(data[8 : 8 + size])
    # Python objects are far larger than their JSON: bound their number before they are built.
    if sum(raw.count(mark) for mark in (b"[", b"{", b",")) > limits.opcodes(len(data)):
        raise WeightsError(f"{where}: the header has too many entries for a file of {human(len(data))}")
    try:
        header = json.loads(raw.decode(), object_pairs_hook=lambda pairs: _unique(where, pairs))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{where}: the header is not valid JSON: damaged") from error
    if not isinstance(header, dict):
        raise WeightsError(f"{where}: the header is {shown(header)} instead of a dictionary")
    return header, 8 + size


def _unique(where: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise WeightsError(f"{where}: the header names a tensor or a field twice")
    return result


def _entry(where: str, name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    """Type, shape, begin and end of one header entry."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise WeightsError(
            f"{where}: the entry of tensor {shown(name)} does not have exactly dtype, shape and data_offsets"
        )
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in DTYPES:
        raise WeightsError(f"{where}: tensor {shown(name)} has the type {shown(code)}, which numpy cannot hold")
    if not isinstance(shape, list):
        raise WeightsError(f"{where}: tensor {shown(name)} has {shown(shape)} for a shape")
    whole = isinstance(offsets, list) and len(offsets) == 2 and all(type(offset) is int for offset in offsets)
    if not whole or not 0 <= offsets[0] <= offsets[1]:
        raise WeightsError(f"{where}: tensor {shown(name)} has the data_offsets {shown(offsets)}")
    if "\0" in name or not _encodable(name):
        raise WeightsError(f"{where}: {shown(name)} is no name for a tensor")
    return DTYPES[code], tuple(shape), offsets[0], offsets[1]


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_spans(where: str, spans: list[tuple[int, int, str]], size: int) -> None:
    """The tensors must fill the data exactly: no overlap, no gap, nothing left over."""
    position = 0
    for begin, end, name in sorted(spans):
        if begin < position:
            raise WeightsError(f"{where}: tensor {shown(name)} overlaps the one before it")
        if begin > position:
            raise WeightsError(f"{where}: {human(begin - position)} before tensor {shown(name)} belong to no tensor")
        position = end
    if position != size:
        raise WeightsError(f"{where}: {human(size - position)} after the last tensor belong to none: damaged")


def write(file: BinaryIO, where: str, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> list[str]:
    """Write the header in the given order, and the bytes by falling element size, so that every array is aligned."""
    arrays = checked(where, tensors, WRITABLE)
    if "__metadata__" in arrays:
        raise WeightsError(f"{where}: '__metadata__' is a name that the format keeps for itself")
    wrong = [key for key, value in metadata.items() if not isinstance(key, str) or not isinstance(value, str)]
    if wrong:
        raise WeightsError(f"{where}: metadata is text only; {shown(wrong[0])} is not")
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    laid_out = sorted(arrays, key=lambda name: -arrays[name].dtype.itemsize)
    position, offsets = 0, {}
    for name in laid_out:
        offsets[name] = [position, position + arrays[name].nbytes]
        position += arrays[name].nbytes
    for name, array in arrays.items():
        header[name] = {"dtype": WRITABLE[array.dtype.name], "shape": list(array.shape), "data_offsets": offsets[name]}
    raw = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    raw += b" " * (-len(raw) % 8)
    file.write(struct.pack("<Q", len(raw)) + raw)
    for name in laid_out:
        file.write(raw_bytes(arrays[name]))
    return []

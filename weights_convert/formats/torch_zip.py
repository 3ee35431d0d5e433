"""`.pth` as torch has written it since 1.6: a zip archive of one pickle and one stored record per storage.

Layout (torch/serialization.py, `_save`; caffe2/serialize/inline_container.cc):
    <prefix>/data.pkl       the object, pickle protocol 2; a storage is ("storage", type, key, location, numel)
    <prefix>/byteorder      "little" or "big"; absent in older files, which are little-endian
    <prefix>/data/<key>     the bytes of one storage, aligned to 64 bytes in the file
    <prefix>/version        "3"
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from core.errors import WeightsError
from core.tensors import Budget, Limits, Tensors, checked, human, listing, raw_bytes
from weights_convert.formats import pickle_names, torch_objects
from weights_convert.formats.pickle_machine import PickleMachine
from weights_convert.formats.pickle_safety import load_pickle
from weights_convert.formats.pickle_writer import PickleWriter
from weights_convert.formats.torch_objects import NUMPY_TYPES, Storage, TensorView
from weights_convert.formats.unwrap import StateFinder
from weights_convert.formats.zip_archive import ZipArchive

METADATA_MEMBER = "segparity.json"  # beside torch's own records; torch.load passes over it
ALIGNMENT = 64
# numpy's type -> the storage type torch pickles. The unsigned types have none and go through an untyped storage.
_STORAGE_NAMES = {dtype: name for name, dtype in torch_objects.STORAGE_TYPES.items() if name != "UntypedStorage"}
WRITABLE = {name: name for name in NUMPY_TYPES if name != "bfloat16"}


def read(path: Path, data: memoryview, limits: Limits, ema: bool = False) -> Tensors:
    """Read a zip file of `torch.save`.

    Raises:
        WeightsError: if the archive or its pickle is damaged, hostile or not a state dictionary.
    """
    where = str(path)
    archive = ZipArchive(data, where, limits)
    prefix = _prefix(archive, where)
    pickled = archive.read(prefix + "data.pkl")
    if len(pickled) > limits.max_header:
        raise WeightsError(f"{where}: a pickle of {human(len(pickled))}; if trusted, raise Limits.max_header")
    big_endian = _is_big_endian(archive, prefix, where)
    machine = PickleMachine(
        pickled,
        torch_objects.NAMES,
        where=f"{where}: data.pkl",
        file_size=len(data),
        limits=limits,
        persistent_load=lambda identifier: torch_objects.storage_reference(identifier, 5),
    )
    root = load_pickle(machine)
    if machine.position != len(pickled):
        raise WeightsError(
            f"{where}: data.pkl goes on after its end ({len(pickled) - machine.position} bytes): damaged"
        )
    found, wrapping, notes = StateFinder(is_tensor, where, len(data), limits, ema).find(root)
    notes += machine.notes()
    budget = Budget(where, len(data), limits)
    records = {prefix + "data.pkl": None}

    def record(storage: Storage) -> memoryview:
        name = f"{prefix}data/{storage.key}"
        records[name] = None
        raw = archive.read(name)
        itemsize = np.dtype(NUMPY_TYPES[storage.dtype]).itemsize
        if len(raw) != storage.root_numel * itemsize:
            raise WeightsError(
                f"{where}: {name} has {len(raw)} bytes, the pickle says {storage.root_numel} of {storage.dtype}"
            )
        return raw

    arrays = resolve_all(found, budget, record, big_endian, notes)
    if limits.verify_checksums:
        _verify(archive, list(records), where, notes)
    return Tensors(arrays, _metadata(archive, prefix, where), "pth", notes, wrapping)


def is_tensor(value: Any) -> bool:
    return isinstance(value, (TensorView, pickle_names.PickledArray))


def resolve_all(
    found: dict[str, Any], budget: Budget, record: Any, big_endian: bool, notes: list[str]
) -> dict[str, np.ndarray]:
    """The arrays of all tensors found, with one note on the widened ones."""
    arrays: dict[str, np.ndarray] = {}
    widened = []
    for name, value in found.items():
        if isinstance(value, TensorView):
            arrays[name] = value.resolve(name, budget, record, big_endian)
            if value.dtype == "bfloat16":
                widened.append(name)
        else:
            arrays[name] = value.resolve(name, budget)
    if widened:
        notes.append(f"widened from bfloat16 to float32, which loses nothing: {listing(widened)}")
    return arrays


def _prefix(archive: ZipArchive, where: str) -> str:
    """The folder inside the archive, with its slash."""
    prefixes = [
        name[: -len("data.pkl")] for name in archive.members if name == "data.pkl" or name.endswith("/data.pkl")
    ]
    if len(prefixes) != 1:
        raise WeightsError(
            f"{where}: a zip archive with {len(prefixes)} members data.pkl; torch.save writes exactly one"
        )
    if prefixes[0] + "constants.pkl" in archive.members:
        raise WeightsError(
            f"{where}: a TorchScript archive, which holds code. Load it with torch.jit.load and "
            "torch.save its state_dict()"
        )
    return prefixes[0]


def _is_big_endian(archive: ZipArchive, prefix: str, where: str) -> bool:
    if prefix + "byteorder" not in archive.members:
        return False
    order = bytes(archive.read(prefix + "byteorder")[:16])
    if order not in (b"little", b"big"):
        raise WeightsError(f"{where}: unknown byte order {order!r}")
    return order == b"big"


def _verify(archive: ZipArchive, names: list[str], where: str, notes: list[str]) -> None:
    """Compare the records' checksums.

    torch can be told to leave them out (`set_crc32_options(False)`), and then none is right; damage spoils one or a
    few.
    """
    wrong = [name for name in names if len(archive.read(name)) and not archive.matches_checksum(name)]
    if wrong and len(wrong) == len(names):
        notes.append("no record has the checksum its directory states: saved with set_crc32_options(False), or damaged")
    elif wrong:
        raise WeightsError(f"{where}: damaged, the checksum is wrong in {listing(wrong, 5)}; get the file again")


def _metadata(archive: ZipArchive, prefix: str, where: str) -> dict[str, str]:
    name = prefix + METADATA_MEMBER
    if name not in archive.members:
        return {}
    raw = archive.read(name)
    if len(raw) > 1 << 20:
        raise WeightsError(f"{where}: {name} has {human(len(raw))}; metadata is at most 1 MB")
    try:
        metadata = json.loads(bytes(raw))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{where}: {name} is not valid JSON") from error
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise WeightsError(f"{where}: {name} is not a dictionary of text")
    return metadata


def write(file: BinaryIO, where: str, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> list[str]:
    """Write an OrderedDict of tensors that `torch.load(weights_only=True)` reads, and nothing else in the pickle.

    Arrays that are the same memory (tied weights) become one storage, as torch itself does.
    """
    arrays = checked(where, tensors, WRITABLE)
    keys: dict[tuple[int, int, str], str] = {}
    storages: list[np.ndarray] = []
    pickled = io.BytesIO()
    pickle_ = PickleWriter(pickled, 2)
    pickle_.name("collections", "OrderedDict")
    pickle_.op(b")R(")
    for name, array in arrays.items():
        contiguous = array if array.flags.c_contiguous else None
        identity = (
            (array.ctypes.data, array.nbytes, array.dtype.name) if contiguous is not None and array.nbytes else None
        )
        key = keys.get(identity) if identity else None
        if key is None:
            key = str(len(storages))
            storages.append(array)
            if identity:
                keys[identity] = key
        pickle_.text(name)
        _pickle_tensor(pickle_, array, key)
    pickle_.op(b"u")
    pickle_.stop()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, file, "archive/data.pkl", memoryview(pickled.getbuffer()))
        _add(archive, file, "archive/byteorder", memoryview(b"little"))
        for key_, array in enumerate(storages):
            _add(archive, file, f"archive/data/{key_}", raw_bytes(array))
        _add(archive, file, "archive/version", memoryview(b"3\n"))
        if metadata:
            text = json.dumps(dict(metadata), indent=1).encode()
            _add(archive, file, f"archive/{METADATA_MEMBER}", memoryview(text))
    return []


def _pickle_tensor(writer: PickleWriter, array: np.ndarray, key: str) -> None:
    """One `_rebuild_tensor_v2` (or v3, for the types without a storage class) of a contiguous tensor."""
    storage = _STORAGE_NAMES.get(array.dtype.name)
    writer.name("torch._utils", "_rebuild_tensor_v2" if storage else "_rebuild_tensor_v3")
    writer.op(b"((")
    writer.text("storage")
    if storage:
        writer.name("torch", storage)
    else:
        writer.name("torch.storage", "UntypedStorage")
    writer.text(key)
    writer.text("cpu")
    writer.integer(array.size if storage else array.nbytes)
    writer.op(b"tQ")
    writer.integer(0)
    writer.integers(array.shape)
    strides, step = [], 1
    for extent in reversed(array.shape):
        strides.append(step)
        step *= max(extent, 1)
    writer.integers(tuple(reversed(strides)))
    writer.op(b"\x89")  # requires_grad
    writer.name("collections", "OrderedDict")
    writer.op(b")R")  # backward hooks: none
    if not storage:
        writer.name("torch", array.dtype.name)
    writer.op(b"tR")


def _add(archive: zipfile.ZipFile, file: BinaryIO, name: str, raw: memoryview) -> None:
    """One stored member whose bytes begin at a multiple of 64, so that they can be mapped; padded as torch does.

    The checksum is known beforehand, so the header is final and the payload goes out in one piece.
    """
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.external_attr = 0o644 << 16
    position = file.tell() + 30 + len(name) + 4
    if len(raw) >= 0x7FFF0000:
        position += 20  # zipfile then adds the zip64 sizes
    padding = -position % ALIGNMENT
    info.extra = struct.pack("<HH", 0x4246, padding) + bytes(padding)
    info.file_size = len(raw)
    info.CRC = zlib.crc32(raw)
    with archive.open(info, "w") as member:
        member.write(raw)

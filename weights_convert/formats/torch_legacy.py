"""`.pth` as torch wrote it before 1.6: five pickles in a row, then the storages.

Layout (torch/serialization.py, `_legacy_save`), after the magic number:
    pickle 1   the magic number
    pickle 2   the protocol version, 1001
    pickle 3   sizes and byte order of the writing machine
    pickle 4   the object; a storage is ("storage", type, key, location, numel, view)
    pickle 5   the list of storage keys
    then for each key: int64 number of elements, and the elements
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import WeightsError
from core.tensors import Budget, Limits, Tensors, human, shown
from weights_convert.formats import torch_objects
from weights_convert.formats.pickle_machine import PickleMachine
from weights_convert.formats.pickle_safety import load_pickle
from weights_convert.formats.torch_objects import NUMPY_TYPES, Storage
from weights_convert.formats.torch_zip import is_tensor, resolve_all
from weights_convert.formats.unwrap import StateFinder

MAGIC = 0x1950A86A20F9469CFC6C
MAGIC_BYTES = b"\x8a\x0a" + MAGIC.to_bytes(10, "little")  # after the two bytes of PROTO, whatever the protocol
PROTOCOL_VERSION = 1001


def read(path: Path, data: memoryview, limits: Limits, ema: bool = False) -> Tensors:
    """Read a legacy file of `torch.save`.

    Raises:
        WeightsError: if it is cut, damaged, hostile or not a state dictionary.
    """
    where = str(path)
    storages: dict[str, Storage] = {}

    def storage_of(identifier: Any) -> Storage:
        storage = torch_objects.storage_reference(identifier, 6)
        known = storages.setdefault(storage.key, storage)
        if known.root_numel != storage.root_numel or known.dtype != storage.dtype:
            raise WeightsError(f"storage {storage.key!r} is described in two ways")
        return storage

    position = 0
    parts, bystanders = [], []
    for index in range(5):
        machine = PickleMachine(
            data,
            torch_objects.NAMES,
            where=where,
            file_size=len(data),
            limits=limits,
            start=position,
            persistent_load=storage_of if index == 3 else None,
        )
        parts.append(load_pickle(machine))
        position = machine.position
        bystanders += machine.notes()
    magic, version, system, root, keys = parts
    if magic != MAGIC or version != PROTOCOL_VERSION:
        raise WeightsError(f"{where}: not a legacy file of torch.save (protocol version {shown(version)})")
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise WeightsError(
            f"{where}: written on a big-endian machine, or without saying so; such legacy files are not read"
        )
    locations = _locate(data, position, keys, storages, where)
    found, wrapping, notes = StateFinder(is_tensor, where, len(data), limits, ema).find(root)
    notes += bystanders

    def record(storage: Storage) -> memoryview:
        if storage.key not in locations:
            raise WeightsError(f"{where}: storage {storage.key!r} is used and not in the file: cut or damaged")
        return locations[storage.key]

    arrays = resolve_all(found, Budget(where, len(data), limits), record, False, notes)
    return Tensors(arrays, {}, "pth", notes, wrapping)


def _locate(
    data: memoryview, position: int, keys: Any, storages: dict[str, Storage], where: str
) -> dict[str, memoryview]:
    """The bytes of each storage, which follow each other up to the end of the file."""
    if not isinstance(keys, list):
        raise WeightsError(f"{where}: the list of storages is {shown(keys)}")
    located: dict[str, memoryview] = {}
    for key in keys:
        if not isinstance(key, str) or key not in storages or key in located:
            raise WeightsError(f"{where}: the list of storages names {shown(key)}, which is unknown or named twice")
        if position + 8 > len(data):
            raise WeightsError(f"{where}: the file is cut before storage {key!r}")
        (numel,) = struct.unpack_from("<q", data, position)
        storage = storages[key]
        if numel != storage.root_numel:
            raise WeightsError(
                f"{where}: storage {key!r} has {numel} elements in the data, {storage.root_numel} in the pickle"
            )
        end = position + 8 + numel * np.dtype(NUMPY_TYPES[storage.dtype]).itemsize
        if end > len(data):
            raise WeightsError(
                f"{where}: storage {key!r} needs {human(end - position)}, "
                f"{human(len(data) - position)} are left: the file is cut"
            )
        located[key] = data[position + 8 : end]
        position = end
    if position != len(data):
        raise WeightsError(f"{where}: {human(len(data) - position)} are left over after the last storage: damaged")
    return located

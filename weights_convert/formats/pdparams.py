"""`.pdparams` and `.pdopt`: the pickled dictionary of numpy arrays that `paddle.save` writes (Paddle 2.x and 3.x).

Three shapes exist: a flat state dictionary of arrays by structured name, with the table "StructuredToParameterName@@"
from structured names to parameter names; nested dictionaries, in which a tensor is a tuple (parameter name, array);
and, at pickle protocols 2 and 3, arrays of 1 GiB or more cut into slices "name@@.0", … that "UnpackBigParamInfor@@"
puts together. The static graph's `.pdiparams` is a stream of tensors without names, another format.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from core.errors import WeightsError
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
from weights_convert.formats import pickle_names
from weights_convert.formats.pickle_machine import PickleMachine
from weights_convert.formats.pickle_names import PickledArray
from weights_convert.formats.pickle_safety import load_pickle
from weights_convert.formats.pickle_writer import PickleWriter
from weights_convert.formats.unwrap import StateFinder

NAME_TABLE = "StructuredToParameterName@@"
SLICES = "UnpackBigParamInfor@@"
# uint16 is missing: Paddle takes such an array for bfloat16, and has no unsigned types beyond uint8.
WRITABLE = {
    name: name
    for name in (
        "float64",
        "float32",
        "float16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "bool",
        "complex64",
        "complex128",
    )
}
PROTOCOL = 4  # the default of paddle.save


def read(path: Path, data: memoryview, limits: Limits, ema: bool = False) -> Tensors:
    """Read a file of `paddle.save`.

    Raises:
        WeightsError: if it is cut, damaged, hostile or not a dictionary of arrays.
    """
    where = str(path)
    machine = PickleMachine(data, pickle_names.NAMES, where=where, file_size=len(data), limits=limits)
    root = load_pickle(machine)
    if machine.position != len(data):
        raise WeightsError(f"{where}: {human(len(data) - machine.position)} are left over after the pickle: damaged")
    finder = StateFinder(_is_tensor, where, len(data), limits, ema)
    table = _take_table(root, where) if isinstance(root, dict) else {}
    slices = root.pop(SLICES, None) if isinstance(root, dict) else None
    found, wrapping, notes = finder.find(root)
    notes += machine.notes()
    budget = Budget(where, len(data), limits)
    arrays: dict[str, np.ndarray] = {}
    for name, value in found.items():
        if isinstance(value, tuple):
            table.setdefault(name, value[0])
            value = value[1]
        arrays[name] = value.resolve(name, budget)
    if slices is not None:
        arrays = _join(arrays, slices, budget)
    widened = [name for name, array in arrays.items() if array.dtype == np.uint16]
    if widened:
        arrays |= {name: widen_bfloat16(arrays[name]) for name in widened}
        notes.append(
            f"widened from bfloat16, which Paddle stores as uint16, to float32; nothing is lost: {listing(widened)}"
        )
    return Tensors(arrays, {}, "pdparams", notes, wrapping, {k: v for k, v in table.items() if k in arrays})


def _is_tensor(value: Any) -> bool:
    if type(value) is tuple and len(value) == 2:
        return isinstance(value[0], str) and isinstance(value[1], PickledArray)
    return isinstance(value, PickledArray)


def _take_table(root: dict[Any, Any], where: str) -> dict[str, str]:
    """Removes the name table from the dictionary; structured name -> parameter name."""
    table = root.pop(NAME_TABLE, {})
    if not isinstance(table, dict) or not all(isinstance(k, str) and isinstance(v, str) for k, v in table.items()):
        raise WeightsError(f"{where}: {NAME_TABLE!r} is not a table of names: damaged")
    return dict(table)


def _join(arrays: dict[str, np.ndarray], slices: Any, budget: Budget) -> dict[str, np.ndarray]:
    """Puts cut arrays together, at the place of their first slice."""
    where = budget.where
    if not isinstance(slices, dict):
        raise WeightsError(f"{where}: {SLICES!r} is {shown(slices)}: damaged")
    whole: dict[str, np.ndarray] = {}
    owner: dict[str, str] = {}
    for name, info in slices.items():
        parts = info.get("slices") if isinstance(info, dict) else None
        shape = info.get("OriginShape") if isinstance(info, dict) else None
        if (
            not isinstance(name, str)
            or not isinstance(parts, list)
            or not parts
            or not isinstance(shape, (tuple, list))
        ):
            raise WeightsError(f"{where}: {SLICES!r} describes {shown(name)} without slices and shape: damaged")
        pieces = []
        for part in parts:
            if not isinstance(part, str) or part not in arrays or part in owner:
                raise WeightsError(f"{where}: slice {shown(part)} of {name!r} is missing or used twice")
            owner[part] = name
            pieces.append(arrays[part].reshape(-1))
        if any(piece.dtype != pieces[0].dtype for piece in pieces):
            raise WeightsError(f"{where}: the slices of {name!r} have several types")
        count = budget.claim(name, tuple(shape), pieces[0].dtype.itemsize)
        if count != sum(piece.size for piece in pieces):
            raise WeightsError(f"{where}: the slices of {name!r} do not add up to its shape {shown(shape)}")
        whole[name] = np.concatenate(pieces).reshape(tuple(shape))
    joined: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        target = owner.get(name, name)
        if target in arrays and target in whole:
            raise WeightsError(f"{where}: {target!r} is there both whole and in slices")
        if target in whole or target == name:
            joined[target] = whole.get(target, array)
    return joined


def write(file: BinaryIO, where: str, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> list[str]:
    """Write what `paddle.load` reads: arrays by structured name, and the table of parameter names last.

    Parameter names come from `Tensors.name_table` where the source had them; elsewhere a parameter is called like its
    tensor.
    """
    arrays = checked(where, tensors, WRITABLE)
    reserved = [name for name in arrays if name in (NAME_TABLE, SLICES)]
    if reserved:
        raise WeightsError(f"{where}: {reserved[0]!r} is a name that Paddle keeps for itself")
    known = tensors.name_table if isinstance(tensors, Tensors) else {}
    pickle_ = PickleWriter(file, PROTOCOL)
    pickle_.op(b"}(")
    for name, array in arrays.items():
        pickle_.text(name)
        pickle_.array(array, raw_bytes(array))
    pickle_.text(NAME_TABLE)
    pickle_.text_table({name: known.get(name, name) for name in arrays})
    pickle_.op(b"u")
    pickle_.stop()
    return ["a .pdparams file holds no metadata; it was left out"] if metadata else []

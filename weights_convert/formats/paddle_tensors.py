"""Paddle's streams of tensors: a file per parameter (1.x), `__params__` and `.pdiparams` with many in a row.

One tensor, little-endian (paddle/fluid/framework/lod_tensor.cc, SerializeToStream; tensor_util.cc, TensorToStream):
    uint32 0 (version), uint64 levels, for each level uint64 length in bytes and that many bytes,
    uint32 0 (version), int32 length of the TensorDesc, the TensorDesc, and the elements.
A stream of several holds no names: they are those of the program beside it, sorted.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from core.errors import WeightsError
from core.tensors import Budget, Limits, Tensors, human, listing, widen_bfloat16
from weights_convert.formats import paddle_program, pickle_names
from weights_convert.formats.paddle_program import Message, Variable
from weights_convert.formats.pickle_machine import PickleMachine
from weights_convert.formats.pickle_safety import load_pickle

LONGEST_DESC = 4096
INFO = ".info"  # beside .pdiparams, from paddle.jit.save: structured names
Open = Callable[[str], memoryview]


def begins(data: memoryview) -> bool:
    """Whether the bytes begin like a tensor without levels."""
    return len(data) > 20 and bytes(data[:16]) == bytes(16) and 0 < data[16] < 128 and data[20] == 0x08


class _Stream:
    """A position in the bytes; every read is checked against the end."""

    def __init__(self, where: str, data: memoryview, budget: Budget) -> None:
        self.where = where
        self.data = data
        self.budget = budget
        self.position = 0

    def error(self, text: str) -> WeightsError:
        return WeightsError(f"{self.where}: {text} (byte {self.position})")

    def take(self, size: int, what: str) -> memoryview:
        left = len(self.data) - self.position
        if not 0 <= size <= left:
            raise self.error(f"{what} needs {human(size)}, {human(left)} are left: the file is cut or damaged")
        self.position += size
        return self.data[self.position - size : self.position]

    def number(self, layout: str) -> int:
        return struct.unpack(layout, self.take(struct.calcsize(layout), "a number"))[0]

    def tensor(self, name: str) -> np.ndarray:
        if self.number("<I") != 0:
            raise self.error("no tensor of Paddle's begins here")
        levels = self.number("<Q")
        if levels > 16:
            raise self.error(f"a tensor of {levels} levels: no tensor of Paddle's begins here")
        for _ in range(levels):
            self.take(self.number("<Q"), "a level")
        if self.number("<I") != 0:
            raise self.error("no tensor of Paddle's begins here")
        length = self.number("<i")
        if not 0 < length <= LONGEST_DESC:
            raise self.error(f"a description of {length} bytes: no tensor of Paddle's begins here")
        shape, kind = paddle_program.tensor_desc(Message(self.take(length, "a description"), self.where))
        dtype = np.dtype("<u2" if kind == "bfloat16" else kind).newbyteorder("<")
        count = self.budget.claim(name, shape, dtype.itemsize)
        raw = self.take(count * dtype.itemsize, f"tensor {name!r} of shape {list(shape)}")
        array = np.frombuffer(raw, dtype).reshape(shape) if count else np.empty(shape, dtype)
        return widen_bfloat16(array) if kind == "bfloat16" else array


def of_files(where: str, names: Sequence[str], open_: Open, limits: Limits) -> Tensors:
    """A folder in which each parameter has a file of its own, called like it.

    Raises:
        WeightsError: if a file that begins like a tensor is cut or damaged.
    """
    arrays: dict[str, np.ndarray] = {}
    others = []
    for name in names:
        data = open_(name)
        if not begins(data):
            others.append(name)
            continue
        stream = _Stream(f"{where}/{name}", data, Budget(f"{where}/{name}", len(data), limits))
        arrays[name] = stream.tensor(name)
        if stream.position != len(data):
            raise stream.error(f"{human(len(data) - stream.position)} are left over after the tensor: damaged")
    notes = [f"read {len(arrays)} files of one parameter each"]
    if others:
        notes.append(f"left out, because they are no tensors of Paddle's: {listing(others, 5)}")
    return Tensors(arrays, {}, "paddle folder", notes)


def of_program(
    folder: Path, program: str, parameters: str | None, names: Sequence[str], open_: Open, limits: Limits
) -> Tensors:
    """The parameters of a program: all in one file, or (`parameters` None) in a file each.

    Raises:
        WeightsError: if the program is none, or its parameters are not those in the file.
    """
    variables = paddle_program.read(str(folder / program), open_(program), limits)
    if parameters is None:
        inside = [variable.name for variable in variables]
        prefix = program.removesuffix(paddle_program.MODEL)
        lacking = [name for name in inside if prefix + name not in names]
        if lacking:
            raise WeightsError(f"{folder / program}: its parameters lack their files: {listing(lacking, 5)}")
        tensors = of_files(str(folder), inside, lambda name: open_(prefix + name), limits)
        return Tensors(tensors.arrays, {}, "paddle program", [f"names of the program {program!r}", *tensors.notes])
    data = open_(parameters)
    arrays = _combined(str(folder / parameters), data, variables, limits)
    notes = [f"{parameters!r} read with the names of the program {program!r}"]
    info = parameters + INFO
    structured = _structured(str(folder / info), open_(info), limits) if info in names else {}
    if structured and set(arrays) <= set(structured) and len(set(structured.values())) == len(structured):
        notes.append(f"names of the program replaced by those of its layers, from {info!r}")
        table = {structured[name]: name for name in arrays}
        return Tensors({structured[n]: a for n, a in arrays.items()}, {}, "paddle program", notes, name_table=table)
    return Tensors(arrays, {}, "paddle program", notes)


def _combined(where: str, data: memoryview, variables: Sequence[Variable], limits: Limits) -> dict[str, np.ndarray]:
    """The tensors of a stream by name, in the order of `variables`."""
    stream = _Stream(where, data, Budget(where, len(data), limits))
    found: list[np.ndarray] = []
    while stream.position < len(data):
        found.append(stream.tensor(f"number {len(found)}"))
        if len(found) > len(variables):
            break
    if len(found) != len(variables):
        more = "more than " if len(found) > len(variables) else ""
        raise WeightsError(
            f"{where}: holds {more}{min(len(found), len(variables))} tensors, its program keeps {len(variables)}: the "
            "two do not belong together"
        )
    for order in (sorted(variables, key=lambda variable: variable.name), list(variables)):
        if all(_is(array, variable) for array, variable in zip(found, order)):
            named = {variable.name: array for variable, array in zip(order, found)}
            return {variable.name: named[variable.name] for variable in variables}
    wrong = next((a, v) for a, v in zip(found, sorted(variables, key=lambda v: v.name)) if not _is(a, v))
    raise WeightsError(
        f"{where}: its program says that {wrong[1].name} is {list(wrong[1].shape)}, the tensor in its place is "
        f"{list(wrong[0].shape)}: the two do not belong together"
    )


def _is(array: np.ndarray, variable: Variable) -> bool:
    kind = "float32" if variable.dtype == "bfloat16" else variable.dtype
    same = len(array.shape) == len(variable.shape) and all(
        known in (-1, extent) for extent, known in zip(array.shape, variable.shape)
    )
    return same and array.dtype.name == kind


def _structured(where: str, data: memoryview, limits: Limits) -> dict[str, str]:
    """Parameter name -> name by layer, from the pickle that paddle.jit.save leaves beside; empty where it has none."""
    machine = PickleMachine(data, pickle_names.NAMES, where=where, file_size=len(data), limits=limits)
    root = load_pickle(machine)
    found = {}
    for name, info in root.items() if isinstance(root, dict) else ():
        structured = info.get("structured_name") if isinstance(info, dict) else None
        if isinstance(name, str) and isinstance(structured, str) and structured:
            found[name] = structured
    return found

"""`__model__` and `.pdmodel`: Paddle's ProgramDesc, of which the names, shapes and types of the parameters are read.

Protocol buffers (paddle/fluid/framework/framework.proto), by field number:
    ProgramDesc  1 blocks            BlockDesc  3 vars, 4 ops
    VarDesc      1 name, 2 type, 3 persistable       OpDesc  1 inputs, 3 type (text)
    OpDesc.Var   2 arguments         VarType    1 type, 3 lod_tensor
    LoDTensorDesc  1 tensor          TensorDesc 1 data_type, 2 dims
The schema says how deep messages lie, so that nothing a file holds can nest deeper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from core.errors import WeightsError
from core.tensors import Limits, human

# framework.proto, VarType.Type
DATA_TYPES = {
    0: "bool",
    1: "int16",
    2: "int32",
    3: "int64",
    4: "float16",
    5: "float32",
    6: "float64",
    20: "uint8",
    21: "int8",
    22: "bfloat16",
    23: "complex64",
    24: "complex128",
}
LOD_TENSOR = 7
MODEL, PARAMS = "__model__", "__params__"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LONGEST_NAME = 4096


@dataclass(frozen=True)
class Variable:
    """A tensor that the program keeps: its name, extents (-1 for unknown ones) and numpy's name of its type."""

    name: str
    shape: tuple[int, ...]
    dtype: str


def pairs(names: Sequence[str]) -> list[tuple[str, str | None]]:
    """Programs among file names, each with the file of its parameters; None where each has a file of its own."""
    found: list[tuple[str, str | None]] = []
    for name in names:
        path = PurePosixPath(name)
        if path.name == MODEL:
            beside = str(path.with_name(PARAMS))
            single = [other for other in names if other == beside or other == str(path.with_name("params"))]
            found.append((name, single[0] if single else None))
        elif path.suffix == ".pdmodel":
            beside = str(path.with_suffix(".pdiparams"))
            found += [(name, beside)] if beside in names else []
    return found


class Message:
    """Fields of a protocol-buffer message; every read is checked against its end."""

    def __init__(self, data: memoryview, where: str) -> None:
        self.data = data
        self.where = where

    def error(self, text: str) -> WeightsError:
        return WeightsError(f"{self.where}: {text}: no program of Paddle's, or damaged")

    def fields(self) -> Iterator[tuple[int, int | memoryview]]:
        """(number, value) in order: a number for varints, bytes for everything of a length."""
        position, data = 0, self.data
        while position < len(data):
            key, position = self._varint(position)
            number, wire = key >> 3, key & 7
            if number == 0:
                raise self.error("a field has the number 0")
            if wire == VARINT:
                value, position = self._varint(position)
                yield number, value
                continue
            if wire == BYTES:
                length, position = self._varint(position)
            elif wire in (FIXED64, FIXED32):
                length = 8 if wire == FIXED64 else 4
            else:
                raise self.error(f"a field has the wire type {wire}")
            if length > len(data) - position:
                raise self.error(f"a field claims {human(length)}, {human(len(data) - position)} are left")
            yield number, data[position : position + length]
            position += length

    def _varint(self, position: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if position >= len(self.data):
                raise self.error("a number is cut")
            byte = self.data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value & (1 << 64) - 1, position
        raise self.error("a number has more than ten bytes")

    def messages(self, number: int) -> Iterator[Message]:
        for found, value in self.fields():
            if found == number:
                yield self._message(number, value)

    def message(self, number: int) -> Message | None:
        return next(self.messages(number), None)

    def numbers(self, number: int) -> list[int]:
        """Of a repeated integer, one field each or packed into one; 64-bit two's complement."""
        values: list[int] = []
        for found, value in self.fields():
            if found != number:
                continue
            if isinstance(value, int):
                values.append(value)
            else:
                packed, position = Message(value, self.where), 0
                while position < len(value):
                    item, position = packed._varint(position)
                    values.append(item)
        return [value - (1 << 64) if value >> 63 else value for value in values]

    def texts(self, number: int) -> list[str]:
        found = []
        for key, value in self.fields():
            if key == number:
                raw = bytes(self._message(number, value).data)
                if len(raw) > LONGEST_NAME:
                    raise self.error(f"a name of {human(len(raw))}")
                try:
                    found.append(raw.decode())
                except UnicodeDecodeError as error:
                    raise self.error("a name is not valid UTF-8") from error
        return found

    def _message(self, number: int, value: int | memoryview) -> Message:
        if isinstance(value, int):
            raise self.error(f"field {number} is a number, where a message or text belongs")
        return Message(value, self.where)


def read(where: str, data: memoryview, limits: Limits) -> list[Variable]:
    """The tensors that the program keeps, in the order in which its operators use them.

    Raises:
        WeightsError: if it is no program, is damaged, or keeps no tensor.
    """
    kept: dict[str, Variable] = {}
    used: dict[str, None] = {}
    count = 0
    for block in Message(data, where).messages(1):
        for number, value in block.fields():
            if number not in (3, 4):
                continue
            count += 1
            if count > limits.max_items:
                raise WeightsError(
                    f"{where}: more than {limits.max_items} variables; if trusted, raise Limits.max_items"
                )
            message = block._message(number, value)
            if number == 4:
                used |= dict.fromkeys(name for variable in message.messages(1) for name in variable.texts(2))
            elif (variable := _kept(message)) is not None:
                kept[variable.name] = variable
    if not kept:
        raise WeightsError(f"{where}: no program of Paddle's, or one that keeps no tensor")
    order = {name: place for place, name in enumerate(used)}
    return sorted(kept.values(), key=lambda variable: order.get(variable.name, len(order)))


def _kept(message: Message) -> Variable | None:
    """The variable of a VarDesc, if it is a tensor that is saved."""
    type_ = message.message(2)
    if type_ is None or message.numbers(3)[-1:] != [1] or type_.numbers(1)[-1:] != [LOD_TENSOR]:
        return None
    names = message.texts(1)
    lod = type_.message(3)
    tensor = lod.message(1) if lod is not None else None
    if not names or tensor is None:
        raise message.error("a variable that is kept has no name or no shape")
    return Variable(names[-1], *tensor_desc(tensor))


def tensor_desc(message: Message) -> tuple[tuple[int, ...], str]:
    """Shape and type of a TensorDesc."""
    code = message.numbers(1)[-1:]
    if not code or code[0] not in DATA_TYPES:
        raise message.error(f"a tensor has the unknown type {code}")
    return tuple(message.numbers(2)), DATA_TYPES[code[0]]

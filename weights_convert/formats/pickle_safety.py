"""A pickle machine that can only build data: the one reader of every pickle in `.pth` and `.pdparams` files.

Python's own unpickler calls whatever a file names. This one is an interpreter of its own over a memory map. A file
may name only the entries of a given table; calling one runs a function of this package that checks its arguments and
builds a plain value. Everything else is refused by its name. Payloads stay views of the file, so reading copies
nothing.

The opcodes are those of pickle protocols 2 to 5 (PEP 307, 3154, 574) as listed in Python's `pickletools`; the text
opcodes of protocols 0 and 1, the extension registry and out-of-band buffers are refused: no framework writes them.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from typing import Any

from core.errors import WeightsError
from core.tensors import human
from weights_convert.formats.pickle_machine import LONG_TEXT, LONGEST_INTEGER, MARK, LongText, PickleMachine, Stateful

OPCODE_NAMES = {ord(op.code): op.name for op in pickletools.opcodes}

# Opcode handlers: each takes the machine, whose position stands after the opcode.

_U1, _U2, _U4, _U8 = struct.Struct("<B"), struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<Q")
_I4, _F8 = struct.Struct("<i"), struct.Struct(">d")
_STOP = ord(".")


def _proto(m: PickleMachine) -> None:
    version = m.number(_U1)
    if not 2 <= version <= 5:
        raise m.error(f"pickle protocol {version}; 2 to 5 are read")


def _frame(m: PickleMachine) -> None:
    length = m.number(_U8)
    if length > len(m.data) - m.position:
        raise m.error(
            f"a frame of {human(length)} is announced, {human(len(m.data) - m.position)} are left: the file is cut"
        )


def _constant(value: Any) -> Callable[[PickleMachine], None]:
    return lambda m: m.stack.append(value)


def _fresh(kind: Callable[[], Any]) -> Callable[[PickleMachine], None]:
    return lambda m: m.stack.append(kind())


def _mark(m: PickleMachine) -> None:
    m.stack.append(MARK)
    m.marks += 1


def _pop(m: PickleMachine) -> None:
    if m.stack.pop() is MARK:
        m.marks -= 1


def _pop_mark(m: PickleMachine) -> None:
    m.pop_to_mark()


def _number(layout: struct.Struct) -> Callable[[PickleMachine], None]:
    return lambda m: m.stack.append(m.number(layout))


def _long(layout: struct.Struct) -> Callable[[PickleMachine], None]:
    def handler(m: PickleMachine) -> None:
        size = m.number(layout)
        if not 0 <= size <= LONGEST_INTEGER:
            raise m.error(f"an integer of {size} bytes; at most {LONGEST_INTEGER} are read")
        m.stack.append(int.from_bytes(m.take(size), "little", signed=True))

    return handler


def _string(layout: struct.Struct) -> Callable[[PickleMachine], None]:
    def handler(m: PickleMachine) -> None:
        view = m.take(m.number(layout))
        m.stack.append(m.text(view) if len(view) < LONG_TEXT else LongText(view))

    return handler


def _bytes(layout: struct.Struct) -> Callable[[PickleMachine], None]:
    def handler(m: PickleMachine) -> None:
        view = m.take(m.number(layout))
        m.stack.append(bytes(view) if len(view) < LONG_TEXT else view)

    return handler


def _python2_string(layout: struct.Struct) -> Callable[[PickleMachine], None]:
    """Python 2's `str`: text or bytes. Short ones become text through latin-1, losslessly; long ones are data."""

    def handler(m: PickleMachine) -> None:
        length = m.number(layout)
        if length < 0:
            raise m.error(f"a string of negative length {length}")
        view = m.take(length)
        m.stack.append(str(view, "latin-1") if length < LONG_TEXT else view)

    return handler


def _tuple(count: int) -> Callable[[PickleMachine], None]:
    def handler(m: PickleMachine) -> None:
        values = [m.pop() for _ in range(count)]
        m.stack.append(tuple(reversed(values)))

    return handler


def _append(m: PickleMachine) -> None:
    value = m.pop()
    m.extend(m.top(), [value])


def _appends(m: PickleMachine) -> None:
    values = m.pop_to_mark()
    m.extend(m.top(), values)


def _set_item(m: PickleMachine) -> None:
    value, key = m.pop(), m.pop()
    m.set_items(m.top(), [key, value])


def _set_items(m: PickleMachine) -> None:
    pairs = m.pop_to_mark()
    m.set_items(m.top(), pairs)


def _put(layout: struct.Struct) -> Callable[[PickleMachine], None]:
    def handler(m: PickleMachine) -> None:
        m.memo[m.number(layout)] = m.top()

    return handler


def _memoize(m: PickleMachine) -> None:
    m.memo[len(m.memo)] = m.top()


def _get(layout: struct.Struct) -> Callable[[PickleMachine], None]:
    def handler(m: PickleMachine) -> None:
        index = m.number(layout)
        if index not in m.memo:
            raise m.error(f"the memo has no entry {index}")
        m.stack.append(m.memo[index])

    return handler


def _global(m: PickleMachine) -> None:
    module, name = m.line(), m.line()
    m.stack.append(m.find(module, name))


def _stack_global(m: PickleMachine) -> None:
    name, module = m.pop(), m.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise m.error("STACK_GLOBAL without two names")
    m.stack.append(m.find(module, name))


def _inst(m: PickleMachine) -> None:
    m.find(m.line(), m.line())  # names what is refused, which is the usual outcome
    raise _refused(m, ord("i"))


def _reduce(m: PickleMachine) -> None:
    arguments, function = m.pop(), m.pop()
    m.stack.append(m.call(function, arguments))


def _build(m: PickleMachine) -> None:
    state, target = m.pop(), m.top()
    if isinstance(target, Stateful):
        try:
            target.set_state(state)
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            raise m.error("an array has a state that does not fit") from error
        except WeightsError as error:
            raise m.error(str(error)) from error
    elif type(target) is not dict:
        # A dictionary's state is an attribute such as torch's `_metadata`: not needed, and dropped.
        raise m.error(f"refused: attributes are set on a {type(target).__name__}")


def _persistent(m: PickleMachine) -> None:
    if m.persistent_load is None:
        raise m.error("the pickle refers to data outside of it (a persistent id), which this format does not have")
    try:
        m.stack.append(m.persistent_load(m.pop()))
    except WeightsError as error:
        raise m.error(str(error)) from error


_HANDLERS: dict[int, Callable[[PickleMachine], None]] = {
    0x80: _proto,
    0x95: _frame,
    ord("("): _mark,
    ord("0"): _pop,
    ord("1"): _pop_mark,
    ord("2"): lambda m: m.stack.append(m.top()),
    ord("N"): _constant(None),
    0x88: _constant(True),
    0x89: _constant(False),
    ord("J"): _number(_I4),
    ord("K"): _number(_U1),
    ord("M"): _number(_U2),
    0x8A: _long(_U1),
    0x8B: _long(_I4),
    ord("G"): _number(_F8),
    ord("X"): _string(_U4),
    0x8C: _string(_U1),
    0x8D: _string(_U8),
    ord("B"): _bytes(_U4),
    ord("C"): _bytes(_U1),
    0x8E: _bytes(_U8),
    0x96: _bytes(_U8),
    ord("T"): _python2_string(_I4),
    ord("U"): _python2_string(_U1),
    ord("]"): _fresh(list),
    0x8F: _fresh(list),  # a set, kept as a list: nothing here needs hashing
    ord("}"): _fresh(dict),
    ord(")"): _constant(()),
    ord("t"): lambda m: m.stack.append(tuple(m.pop_to_mark())),
    0x91: lambda m: m.stack.append(tuple(m.pop_to_mark())),  # frozenset
    0x85: _tuple(1),
    0x86: _tuple(2),
    0x87: _tuple(3),
    ord("a"): _append,
    ord("e"): _appends,
    0x90: _appends,
    ord("s"): _set_item,
    ord("u"): _set_items,
    ord("q"): _put(_U1),
    ord("r"): _put(_U4),
    0x94: _memoize,
    ord("h"): _get(_U1),
    ord("j"): _get(_U4),
    ord("c"): _global,
    0x93: _stack_global,
    ord("i"): _inst,
    ord("R"): _reduce,
    0x81: _reduce,  # NEWOBJ: cls.__new__(cls, *args), which here is the same table of builders
    ord("b"): _build,
    ord("Q"): _persistent,
}


def load_pickle(m: PickleMachine) -> Any:
    """The value that the pickle at the machine's position describes; the position is then the byte after it.

    Raises:
        WeightsError: for everything else than a well-formed pickle of known names.
    """
    data, size = m.data, len(m.data)
    if m.position >= size or data[m.position] != 0x80:
        raise m.error("no pickle of protocol 2 or later begins here")
    while True:
        if m.position >= size:
            raise m.error("the pickle ends before its STOP opcode: the file is cut")
        m.remaining_opcodes -= 1
        if m.remaining_opcodes < 0:
            raise m.error("too many pickle opcodes for a file of this size; if trusted, raise Limits.max_opcodes")
        code = data[m.position]
        m.position += 1
        handler = _HANDLERS.get(code)
        if handler is None:
            if code == _STOP:
                break
            raise _refused(m, code)
        try:
            handler(m)
        except IndexError as error:
            raise m.error(f"opcode {OPCODE_NAMES[code]} finds the stack empty") from error
    if len(m.stack) != 1 or m.marks:
        raise m.error(f"the pickle ends with {len(m.stack)} values instead of one")
    return m.stack.pop()


def _refused(m: PickleMachine, code: int) -> WeightsError:
    name = OPCODE_NAMES.get(code)
    if name in ("INST", "OBJ", "NEWOBJ_EX"):
        return m.error(f"opcode {name} builds objects by running code; refused")
    if name:
        return m.error(f"opcode {name} is refused: no framework writes it, and it is not needed for arrays")
    return m.error(f"{code:#04x} is no pickle opcode: the file is damaged")

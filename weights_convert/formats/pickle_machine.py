"""The state and the primitives of the restricted pickle machine of `pickle_safety`: a position in the file, a stack, a
memo, and a table of the names that a file may use.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from core.errors import WeightsError
from core.tensors import Limits, human, listing, shown
from weights_convert.formats.pickle_inert import PLUMBING, may_stand_in

LONG_TEXT = 4096  # strings from this length on stay views of the file until somebody asks for the text
LONGEST_INTEGER = 32  # bytes; the longest in use is the 10-byte magic number of torch files

MARK = object()


class Global:
    """A name the table knows. `build` makes a value from arguments; None where the name itself is the value."""

    __slots__ = ("build", "name")

    def __init__(self, name: str, build: Callable[..., Any] | None = None) -> None:
        self.name = name
        self.build = build


class LongText:
    """A long string as its UTF-8 bytes in the file: protocol 2 keeps array data so, and the memo keeps every string."""

    __slots__ = ("view",)

    def __init__(self, view: memoryview) -> None:
        self.view = view

    def __str__(self) -> str:
        return str(self.view, "utf-8")


class Stateful:
    """Base of the values that take a state by BUILD (arrays and their types)."""

    __slots__ = ()

    def set_state(self, state: Any) -> None:
        raise NotImplementedError


class Opaque(Stateful):
    """What stands in the place of an object that was not built; states and items given to it are dropped."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def set_state(self, state: Any) -> None:
        pass


class OpaqueName(Global):
    """A bystander's name (`pickle_inert`): nothing is imported for it, and calling it makes a stand-in."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__(name, lambda *_: Opaque(name))


def method_of(owner: Any, name: Any) -> OpaqueName:
    """`getattr`, as which protocols below 4 write a method of a class kept beside the weights.

    Raises WeightsError for anything else than a bystander's class.
    """
    if not isinstance(owner, OpaqueName) or not isinstance(name, str):
        raise WeightsError("refused: builtins.getattr of something that is no class of an object beside the weights")
    return OpaqueName(f"{owner.name}.{name}")


class PickleMachine:
    """Reads one pickle that starts at `start` of `data`.

    Args:
        data: the bytes that hold the pickle.
        table: the names a pickle may use: "module.qualname" -> Global.
        persistent_load: builds a value from a persistent id; None refuses all of them.
        file_size: of the whole file, for the limit on opcodes.
        where: file (and part of it) for error messages.
    """

    def __init__(
        self,
        data: memoryview,
        table: Mapping[str, Global],
        *,
        where: str,
        file_size: int,
        limits: Limits,
        start: int = 0,
        persistent_load: Callable[[Any], Any] | None = None,
    ) -> None:
        self.data = data
        self.table = table
        self.where = where
        self.position = start
        self.remaining_opcodes = limits.opcodes(file_size)
        self.remaining_copies = limits.logical_bytes(file_size)
        self.persistent_load = persistent_load
        self.stack: list[Any] = []
        self.marks = 0
        self.memo: dict[int, Any] = {}
        self.bystanders: dict[str, None] = {}

    def notes(self) -> list[str]:
        """One sentence on the objects that were not built, if there are any."""
        names = [shown(name) for name in self.bystanders if name not in PLUMBING]
        if not names:
            return []
        return [f"not built, and nothing of it run: objects of {listing(names)}; stand-ins were left out"]

    def error(self, text: str) -> WeightsError:
        return WeightsError(f"{self.where}: {text} (byte {self.position})")

    # Reading the file

    def take(self, count: int) -> memoryview:
        """The next `count` bytes, as a view."""
        end = self.position + count
        if end > len(self.data):
            raise self.error(
                f"{human(count)} are announced, {human(len(self.data) - self.position)} are left: the file is cut"
            )
        view = self.data[self.position : end]
        self.position = end
        return view

    def number(self, layout: struct.Struct) -> int:
        return layout.unpack(self.take(layout.size))[0]

    def line(self) -> str:
        chunk = bytes(self.data[self.position : self.position + 512])
        end = chunk.find(b"\n")
        if end < 0:
            raise self.error("a name has no end within 512 bytes")
        self.position += end + 1
        return self.text(memoryview(chunk[:end]))

    def text(self, view: memoryview) -> str:
        try:
            return str(view, "utf-8")
        except UnicodeDecodeError as error:
            raise self.error("a string is not valid UTF-8") from error

    # The stack

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is MARK:
            raise self.error("a mark stands where a value is expected")
        return value

    def top(self) -> Any:
        value = self.stack[-1]
        if value is MARK:
            raise self.error("a mark stands where a value is expected")
        return value

    def pop_to_mark(self) -> list[Any]:
        if not self.marks:
            raise self.error("an opcode needs a mark and there is none")
        at = len(self.stack) - 1
        while self.stack[at] is not MARK:
            at -= 1
        values = self.stack[at + 1 :]
        del self.stack[at:]
        self.marks -= 1
        return values

    # Names and what they build

    def find(self, module: str, name: str) -> Global:
        full = f"{module}.{name}"
        known = self.table.get(full)
        if known is None and may_stand_in(module, name):
            self.bystanders[full] = None
            return OpaqueName(full)
        if known is None:
            raise self.error(
                f"refused: the file wants to use {full!r}, which is neither an array nor a plain "
                "container, and unpickling it "
                "could run code. If the file is trusted, load it where it was made and save only its "
                "state dictionary again"
            )
        return known

    def call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, Global) or function.build is None:
            name = function.name if isinstance(function, Global) else f"a {type(function).__name__}"
            raise self.error(f"refused: the file calls {name}, which is not a constructor of an array or container")
        if not isinstance(arguments, tuple):
            raise self.error(
                f"{function.name} is called with a {type(arguments).__name__} instead of a tuple of arguments"
            )
        if isinstance(function, OpaqueName):
            return Opaque(function.name)
        self.remaining_copies -= sum(_copied(argument) for argument in arguments)
        if self.remaining_copies < 0:
            raise self.error(f"{function.name} copies the same data again and again: refused")
        try:
            return function.build(*arguments)
        except WeightsError as error:
            raise self.error(str(error)) from error
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            raise self.error(f"{function.name} is called with arguments that do not fit") from error

    def set_items(self, target: Any, pairs: list[Any]) -> None:
        if isinstance(target, Opaque):
            return
        if type(target) is not dict:
            raise self.error(f"items are set on a {type(target).__name__} instead of a dictionary")
        if len(pairs) % 2:
            raise self.error("a dictionary has a key without a value")
        for key, value in zip(pairs[::2], pairs[1::2]):
            if isinstance(key, LongText):
                raise self.error(f"a dictionary key of {human(len(key.view))}")
            if not _is_key(key):
                raise self.error(
                    f"a dictionary key that is {shown(key)}; keys are text, numbers or flat tuples of them"
                )
            if key in target:
                raise self.error(f"the key {shown(key)} stands twice in one dictionary")
            target[key] = value

    def extend(self, target: Any, values: list[Any]) -> None:
        if isinstance(target, Opaque):
            return
        if type(target) is not list:
            raise self.error(f"values are appended to a {type(target).__name__} instead of a list")
        target.extend(values)


def _copied(argument: Any) -> int:
    """Bytes that a constructor may copy from an argument, which the memo can hand it any number of times."""
    if isinstance(argument, LongText):
        return len(argument.view)
    return 64 * len(argument) if isinstance(argument, (list, dict, tuple)) else 0


def _is_key(key: Any) -> bool:
    """Keys whose hash is cheap: nested tuples could take exponential time to hash."""
    scalar = (str, int, float, bytes, type(None))
    return isinstance(key, scalar) or (type(key) is tuple and all(isinstance(part, scalar) for part in key))

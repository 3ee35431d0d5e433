"""The names a pickled weight file may use besides its framework's own: numpy arrays, plain containers, bytes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from core.errors import WeightsError
from core.tensors import Budget, shown
from weights_convert.formats.pickle_machine import Global, LongText, Stateful, method_of

DTYPE_CODE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|c8|c16)")


class PickledDtype(Stateful):
    """numpy.dtype(code), then a state that sets the byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *_: Any) -> None:
        if isinstance(code, Global):  # numpy.dtype(numpy.float32) in some writers
            raise WeightsError(f"numpy.dtype of {code.name}; a type is given by its code, such as 'f4'")
        if not isinstance(code, str) or not DTYPE_CODE.fullmatch(code):
            raise WeightsError(
                f"arrays of the numpy type {shown(code)} are refused: only numbers and booleans are weights"
            )
        self.order = code[0] if code[0] in "<>" else "<"
        self.code = code.lstrip("<>=|")

    def set_state(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
            raise WeightsError("a numpy type has a state that is not numpy's")
        if any(part is not None for part in state[2:5]):
            raise WeightsError("a structured numpy type is refused: only plain numbers are weights")
        self.order = ">" if state[1] == ">" else "<"

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)


class PickledArray(Stateful):
    """`_reconstruct(ndarray, (0,), b"b")`, then a state: (version, shape, dtype, Fortran order, data)."""

    __slots__ = ("data", "dtype", "fortran", "shape")

    def __init__(self) -> None:
        self.data: bytes | memoryview | None = None
        self.dtype: np.dtype[Any] = np.dtype("u1")
        self.shape: tuple[int, ...] = ()
        self.fortran = False

    def set_state(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise WeightsError("a numpy array has a state that is not numpy's")
        shape, dtype, fortran, data = state[-4:]
        if not isinstance(dtype, PickledDtype) or not isinstance(shape, tuple):
            raise WeightsError("a numpy array has a state that is not numpy's")
        if isinstance(data, list):
            raise WeightsError("arrays of Python objects are refused: only numbers are weights")
        self.shape, self.dtype, self.fortran, self.data = shape, dtype.dtype, bool(fortran), as_bytes(data)

    def resolve(self, name: str, budget: Budget) -> np.ndarray:
        """The array as a view of the file (or of the bytes decoded from it)."""
        if self.data is None:
            raise WeightsError(f"{budget.where}: array {name!r} has no data")
        count = budget.claim(name, self.shape, self.dtype.itemsize)
        if count * self.dtype.itemsize != len(self.data):
            raise WeightsError(
                f"{budget.where}: array {name!r} of shape {self.shape} and type {self.dtype} needs "
                f"{count * self.dtype.itemsize} "
                f"bytes and has {len(self.data)}"
            )
        if not count:
            return np.empty(self.shape, self.dtype.newbyteorder("<"))
        array = np.frombuffer(self.data, self.dtype).reshape(self.shape, order="F" if self.fortran else "C")
        return array.astype(self.dtype.newbyteorder("<"), copy=False)


class PickledScalar:
    """A numpy scalar, such as a best score kept beside the weights: known, and not a tensor."""

    __slots__ = ()


def as_bytes(data: Any) -> bytes | memoryview:
    """Array data as bytes; Python 2 pickles hold it as text in latin-1."""
    if isinstance(data, str):
        return data.encode("latin-1")
    if not isinstance(data, (bytes, memoryview)):
        raise WeightsError(f"array data is {shown(data)} instead of bytes")
    return data


def _reconstruct(kind: Any, *_: Any) -> PickledArray:
    if not isinstance(kind, Global) or kind.name != "numpy.ndarray":
        raise WeightsError("_reconstruct of something that is not numpy.ndarray")
    return PickledArray()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> PickledArray:
    array = PickledArray()
    array.set_state((shape, dtype, order == "F", data))
    return array


def _scalar(dtype: Any, _data: Any = b"") -> PickledScalar:
    if not isinstance(dtype, PickledDtype):
        raise WeightsError("a numpy scalar without a numpy type")
    return PickledScalar()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """`_codecs.encode`, as which pickle protocol 2 writes bytes."""
    if not isinstance(text, (str, LongText)) or encoding not in ("latin1", "latin-1"):
        raise WeightsError("_codecs.encode for something else than bytes")
    return str(text).encode("latin-1")


def _bytes(*arguments: Any) -> bytes:
    if arguments:
        raise WeightsError("bytes() with arguments")
    return b""


def _pairs(pairs: Any = ()) -> dict[Any, Any]:
    """An OrderedDict, Counter or dict; Python 2 passes a list of [key, value] lists, Python 3 sets the items later."""
    if isinstance(pairs, dict):
        return dict(pairs)
    result: dict[Any, Any] = {}
    for key, value in pairs:
        if not isinstance(key, (str, int)) or key in result:
            raise WeightsError(f"a dictionary key that is {shown(key)} or stands twice")
        result[key] = value
    return result


def _default_dict(factory: Any = None, *_: Any) -> dict[Any, Any]:
    if factory is not None and not isinstance(factory, Global):
        raise WeightsError("a defaultdict whose factory is no type")
    return {}


def _sequence(values: Any = ()) -> tuple[Any, ...]:
    if not isinstance(values, (list, tuple)):
        raise WeightsError(f"a sequence made from {shown(values)}")
    return tuple(values)


def _table() -> dict[str, Global]:
    builders: dict[str, Any] = {
        "numpy.ndarray": None,
        "numpy.dtype": PickledDtype,
        "_codecs.encode": _encode,
        "collections.OrderedDict": _pairs,
        "collections.Counter": _pairs,
        "collections.defaultdict": _default_dict,
    }
    for core in ("numpy.core", "numpy._core"):
        builders[f"{core}.multiarray._reconstruct"] = _reconstruct
        builders[f"{core}.multiarray.scalar"] = _scalar
        builders[f"{core}.numeric._frombuffer"] = _from_buffer
    for module in ("builtins", "__builtin__"):
        builders |= {f"{module}.{name}": _sequence for name in ("list", "tuple", "set", "frozenset")}
        builders |= {f"{module}.{name}": None for name in ("int", "float", "str", "bool")}
        builders |= {f"{module}.bytes": _bytes, f"{module}.dict": _pairs}
        builders[f"{module}.getattr"] = method_of
    return {name: Global(name, build) for name, build in builders.items()}


NAMES: dict[str, Global] = _table()

"""What `torch.save` pickles besides plain containers: storages, tensors that view them, types, parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from core.errors import WeightsError
from core.tensors import Budget, shown, widen_bfloat16
from weights_convert.formats import pickle_names
from weights_convert.formats.pickle_machine import Global
from weights_convert.formats.pickle_names import PickledArray

# torch's type -> numpy's. bfloat16 has none: its bits are read as uint16 and widened.
NUMPY_TYPES = {
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "bfloat16": "<u2",
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "<i1",
    "uint8": "<u1",
    "uint16": "<u2",
    "uint32": "<u4",
    "uint64": "<u8",
    "bool": "?",
    "complex64": "<c8",
    "complex128": "<c16",
}
STORAGE_TYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}
_DTYPE_ALIASES = {
    "double": "float64",
    "float": "float32",
    "half": "float16",
    "long": "int64",
    "int": "int32",
    "short": "int16",
}


class Storage:
    """A reference to a storage: `numel` elements of `dtype` from element `first` on of the record `key`."""

    __slots__ = ("dtype", "first", "key", "numel", "root_numel")

    def __init__(self, dtype: str, key: str, root_numel: int, first: int, numel: int) -> None:
        self.dtype, self.key, self.root_numel, self.first, self.numel = dtype, key, root_numel, first, numel


class TensorView:
    """A tensor as pickled: a window with strides (in elements) on a storage. Nothing is checked until `resolve`."""

    __slots__ = ("dtype", "offset", "size", "storage", "stride")

    def __init__(self, storage: Storage, offset: Any, size: Any, stride: Any, dtype: str) -> None:
        self.storage, self.offset, self.size, self.stride, self.dtype = storage, offset, size, stride, dtype

    def resolve(
        self, name: str, budget: Budget, record: Callable[[Storage], memoryview], big_endian: bool
    ) -> np.ndarray:
        """The tensor as a view of the record's bytes.

        Args:
            record: gives all bytes of a storage's record, of exactly `root_numel` elements.
        """
        where = budget.where
        size, stride, offset = self.size, self.stride, self.offset
        if not isinstance(size, tuple) or not isinstance(stride, tuple) or len(size) != len(stride):
            raise WeightsError(f"{where}: tensor {name!r} has {shown(size)} for sizes and {shown(stride)} for strides")
        itemsize = np.dtype(NUMPY_TYPES[self.dtype]).itemsize
        count = budget.claim(name, size, itemsize)
        if any(not _is_count(step) for step in (*stride, offset)):
            raise WeightsError(f"{where}: tensor {name!r} has strides {shown(stride)} and offset {shown(offset)}")
        dtype = np.dtype(NUMPY_TYPES[self.dtype]).newbyteorder(">" if big_endian else "<")
        scale = itemsize // np.dtype(NUMPY_TYPES[self.storage.dtype]).itemsize  # an untyped storage counts bytes
        if not count:
            return np.empty(size, dtype.newbyteorder("<"))
        last = offset + sum((extent - 1) * step for extent, step in zip(size, stride))
        if scale < 1 or (last + 1) * scale > self.storage.numel:
            raise WeightsError(
                f"{where}: tensor {name!r} reaches element {last} of a storage of "
                f"{self.storage.numel // max(scale, 1)}: damaged"
            )
        base = self.storage.first * (itemsize // scale)
        array: np.ndarray = np.ndarray(
            size,
            dtype,
            buffer=record(self.storage),
            offset=base + offset * itemsize,
            strides=tuple(step * itemsize if extent > 1 else 0 for extent, step in zip(size, stride)),
        )
        array = array.astype(dtype.newbyteorder("<"), copy=False)
        return widen_bfloat16(array) if self.dtype == "bfloat16" else array


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 60


def storage_reference(identifier: Any, fields: int) -> Storage:
    """A storage from torch's persistent id: ("storage", type, key, location, numel), in legacy files also a view.

    The location (a device such as "cuda:0") is not needed: everything is read to the host.
    """
    if not isinstance(identifier, tuple) or not identifier:
        raise WeightsError(f"a persistent id that is {shown(identifier)} instead of a storage's")
    if identifier[0] == "module":
        raise WeightsError(
            "refused: the file holds a whole pickled model, which is code. Load it with its own "
            "repository and save its state_dict()"
        )
    if identifier[0] != "storage" or len(identifier) != fields:
        raise WeightsError(f"a persistent id with {len(identifier)} parts that does not describe a storage")
    kind, key, location, numel = identifier[1:5]
    dtype = STORAGE_TYPES.get(kind.name.rsplit(".", 1)[-1]) if isinstance(kind, Global) else None
    if dtype is None:
        raise WeightsError("a persistent id whose storage type is not one of torch's")
    if not isinstance(key, str) or not isinstance(location, str) or not _is_count(numel):
        raise WeightsError("a persistent id without a key, a location and a number of elements")
    view = identifier[5] if fields == 6 else None
    if view is None:
        return Storage(dtype, key, numel, 0, numel)
    if not isinstance(view, tuple) or len(view) != 3 or not _is_count(view[1]) or not _is_count(view[2]):
        raise WeightsError("a storage view that is not (key, offset, size)")
    if view[1] + view[2] > numel:
        raise WeightsError(f"a storage view reaches element {view[1] + view[2]} of a storage of {numel}")
    return Storage(dtype, key, numel, view[1], view[2])


def _tensor(storage: Any, offset: Any, size: Any, stride: Any) -> TensorView:
    if not isinstance(storage, Storage):
        raise WeightsError(f"a tensor whose storage is {shown(storage)}")
    return TensorView(storage, offset, size, stride, storage.dtype)


def _tensor_v2(
    storage: Any, offset: Any, size: Any, stride: Any, _grad: Any = False, _hooks: Any = None, metadata: Any = None
) -> TensorView:
    if isinstance(metadata, dict) and (metadata.get("conj") or metadata.get("neg")):
        raise WeightsError(
            "a tensor that is a lazily conjugated or negated view; save tensor.resolve_conj().resolve_neg()"
        )
    return _tensor(storage, offset, size, stride)


def _tensor_v3(
    storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, dtype: Any, metadata: Any = None
) -> TensorView:
    view = _tensor_v2(storage, offset, size, stride, grad, hooks, metadata)
    name = dtype.name.removeprefix("torch.") if isinstance(dtype, Global) else shown(dtype)
    view.dtype = _DTYPE_ALIASES.get(name, name)
    if view.dtype not in NUMPY_TYPES:
        raise WeightsError(f"a tensor of the type {name}, which numpy cannot hold")
    return view


def _parameter(data: Any, *_: Any) -> TensorView | PickledArray:
    if not isinstance(data, (TensorView, PickledArray)):
        raise WeightsError(f"a parameter that is {shown(data)} instead of a tensor")
    return data


def _from_type(function: Any, kind: Any, arguments: Any, _state: Any = None) -> Any:
    """A tensor that carries Python attributes: `function(*arguments)` is the tensor, the attributes are dropped."""
    known = isinstance(function, Global) and function.name.startswith("torch._utils._rebuild") and function.build
    if not known or not isinstance(kind, Global) or not isinstance(arguments, tuple):
        raise WeightsError("a tensor subclass that is not torch's own")
    return known(*arguments)


def _size(values: Any = ()) -> tuple[Any, ...]:
    if not isinstance(values, (list, tuple)):
        raise WeightsError("a torch.Size without extents")
    return tuple(values)


def _device(*parts: Any) -> str:
    return ":".join(str(part) for part in parts if isinstance(part, (str, int)) and len(shown(part)) < 40)


def _table() -> dict[str, Global]:
    builders: dict[str, Any] = {
        "torch._utils._rebuild_tensor": _tensor,
        "torch._utils._rebuild_tensor_v2": _tensor_v2,
        "torch._utils._rebuild_tensor_v3": _tensor_v3,
        "torch._utils._rebuild_parameter": _parameter,
        "torch._utils._rebuild_parameter_with_state": _parameter,
        "torch._utils._rebuild_device_tensor_from_numpy": _parameter,
        "torch._utils._rebuild_xla_tensor": _parameter,
        "torch.nn.parameter.Parameter": _parameter,
        "torch._tensor._rebuild_from_type_v2": _from_type,
        "torch.Tensor": None,
        "torch.Size": _size,
        "torch.device": _device,
    }
    for storage in STORAGE_TYPES:
        for module in ("torch", "torch.cuda", "torch.storage"):
            builders[f"{module}.{storage}"] = None
    builders |= {f"torch.{name}": None for name in (*NUMPY_TYPES, *_DTYPE_ALIASES, "float8_e4m3fn", "float8_e5m2")}
    return {name: Global(name, build) for name, build in builders.items()}


NAMES: dict[str, Global] = pickle_names.NAMES | _table()

"""What every reader returns and every writer takes: named numpy arrays, and what is known about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import WeightsError


@dataclass(frozen=True)
class Limits:
    """How much a file may claim before it is refused. The defaults have room for any published segmentation network.

    max_expansion: all tensors together may take this many times the file's size (tensors may share one storage), plus
        `slack`.
    slack: bytes allowed on top, so that tiny files may hold broadcast constants.
    max_items: tensors, archive members, or steps of a walk over nested containers.
    max_opcodes: steps of one pickle; a file of n bytes may use at most 50,000 + n / 8 of them in any case.
    max_depth: nesting of containers.
    max_header: bytes of a safetensors header or of a pickle inside an archive.
    verify_checksums: compare the CRC of every record of a zip archive (reads the whole file once).
    """

    max_expansion: float = 8.0
    slack: int = 1 << 20
    max_items: int = 1_000_000
    max_opcodes: int = 2_000_000
    max_depth: int = 32
    max_header: int = 16 << 20
    verify_checksums: bool = True

    def logical_bytes(self, file_size: int) -> int:
        """The largest total of tensor bytes that a file of `file_size` bytes may describe."""
        return int(file_size * self.max_expansion) + self.slack

    def opcodes(self, file_size: int) -> int:
        """The largest number of pickle opcodes in a file of `file_size` bytes."""
        return min(self.max_opcodes, 50_000 + file_size // 8)


@dataclass(eq=False, repr=False)
class Tensors(Mapping[str, np.ndarray]):
    """Named arrays in file order, usable as a read-only mapping.

    arrays: little-endian numpy arrays. Those read from a file are read-only views of its memory map wherever the
        format allows, possibly unaligned or strided; `np.array(a)` makes an ordinary copy. Do not shorten the file
        while they are in use.
    metadata: the file's own text metadata (safetensors, and `.pth` written by this package); empty elsewhere.
    format: name of the format read ("safetensors", "pth", "pdparams", "params", "npz", "paddle folder", …).
    notes: what reading did that the caller should know (widened types, parts left out), one sentence each.
    wrapping: keys under which the state dictionary was found, outermost first, e.g. ("state_dict",).
    name_table: for `.pdparams`, structured name -> parameter name, as far as the file holds it.
    roles: for MXNet symbol files, name -> "arg" or "aux", the prefix that was taken off.
    facts: what files beside the weights say of the network (a training job's hyperparameters, a symbol), text by key.
    files: what was read, weights and what lies beside them.
    """

    arrays: dict[str, np.ndarray]
    metadata: dict[str, str] = field(default_factory=dict)
    format: str = ""
    notes: list[str] = field(default_factory=list)
    wrapping: tuple[str, ...] = ()
    name_table: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def __repr__(self) -> str:
        size = human(sum(array.nbytes for array in self.arrays.values()))
        return f"<Tensors: {len(self)} arrays, {size}, format {self.format or 'none'}>"

    def strip_prefix(self, prefix: str = "module.") -> Tensors:
        """The same tensors with `prefix` taken off the names that carry it (DataParallel adds "module.").

        Raises:
            WeightsError: if two tensors would get the same name.
        """

        return self.renamed(lambda name: name.removeprefix(prefix), f"taking {prefix!r} off the names")

    def renamed(self, rename: Callable[[str], str], doing: str) -> Tensors:
        """The same tensors under other names; `doing` says what is done, for the error.

        Raises:
            WeightsError: if two tensors would get the same name.
        """
        arrays: dict[str, np.ndarray] = {}
        for name, array in self.arrays.items():
            if rename(name) in arrays:
                raise WeightsError(f"{doing} makes two tensors {rename(name)!r}: rename one of them")
            arrays[rename(name)] = array
        return replace(
            self,
            arrays=arrays,
            name_table={rename(k): v for k, v in self.name_table.items()},
            roles={rename(k): v for k, v in self.roles.items()},
        )


def check_finite(tensors: Mapping[str, np.ndarray]) -> None:
    """Refuse tensors that hold NaN or infinity.

    Raises:
        WeightsError: listing each such tensor and how many of its elements are not finite.
    """
    bad = []
    for name, array in tensors.items():
        if array.dtype.kind in "fc":
            finite = int(np.count_nonzero(np.isfinite(array)))
            if finite != array.size:
                bad.append(f"{name} ({array.size - finite} of {array.size})")
    if bad:
        raise WeightsError(f"not finite (NaN or infinity): {listing(bad)}")


def listing(items: list[str], most: int = 20) -> str:
    """The items in one line, cut after `most` of them."""
    more = f", and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def widen_bfloat16(raw: np.ndarray) -> np.ndarray:
    """bfloat16 bits (uint16) as float32, exactly: bfloat16 is the upper half of a float32."""
    wide = raw.astype("<u4", order="C")
    np.left_shift(wide, np.uint32(16), out=wide)
    return wide.view("<f4")


class Budget:
    """Adds up what the tensors of one file claim and refuses more than `Limits` allows."""

    def __init__(self, where: str, file_size: int, limits: Limits) -> None:
        self.where = where
        self.most_bytes = limits.logical_bytes(file_size)
        self.most_items = limits.max_items
        self.file_size = file_size
        self.bytes = 0
        self.items = 0

    def claim(self, name: str, shape: tuple[int, ...], itemsize: int) -> int:
        """Count one tensor of `shape`; returns its number of elements."""
        if len(shape) > 32:
            raise WeightsError(f"{self.where}: tensor {name!r} has {len(shape)} dimensions; at most 32 are supported")
        count = 1
        for extent in shape:
            if isinstance(extent, bool) or not isinstance(extent, int) or not 0 <= extent < 1 << 62:
                raise WeightsError(
                    f"{self.where}: tensor {name!r} has the shape {shown(shape)}; extents are integers from 0"
                )
            count *= max(extent, 1)
        if count * itemsize >= 1 << 62:  # numpy's own bound, also for empty arrays
            raise WeightsError(
                f"{self.where}: tensor {name!r} claims the shape {shown(shape)}, which no machine can hold"
            )
        if 0 in shape:
            count = 0
        self.bytes += count * itemsize
        self.items += 1
        if self.bytes > self.most_bytes:
            raise WeightsError(
                f"{self.where}: tensor {name!r} of shape {shown(shape)} brings the tensors to "
                f"{human(self.bytes)}, far more than "
                f"a file of {human(self.file_size)} can hold; if the file is trusted, raise Limits.max_expansion"
            )
        if self.items > self.most_items:
            raise WeightsError(f"{self.where}: more than {self.most_items} tensors; if trusted, raise Limits.max_items")
        return count


def human(size: int) -> str:
    """A number of bytes for people, e.g. "1.4 MB"."""
    if size < 1000:
        return f"{size} bytes"
    for power, unit in enumerate(("kB", "MB", "GB", "TB", "PB"), start=1):
        if size < 1000 ** (power + 1):
            return f"{size / 1000**power:.1f} {unit}"
    return "more than an exabyte"


def shown(value: Any, most: int = 80) -> str:
    """A short repr of something a file holds; never long, whatever the file claims."""
    if isinstance(value, (list, tuple)) and len(value) > 40:
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, (list, tuple)) and all(isinstance(v, int) for v in value):
        value = tuple(value)
        if any(abs(v) >= 1 << 200 for v in value):
            return "with huge extents"
    elif not isinstance(value, (str, int, float, type(None))):
        return f"a {type(value).__name__}"
    if isinstance(value, int) and abs(value) >= 1 << 200:
        return "a huge integer"
    text = repr(value)
    return text if len(text) <= most else text[:most] + "…"


def little_endian(array: np.ndarray) -> np.ndarray:
    """The array in little-endian byte order, which all formats are written in."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def checked(where: str, tensors: Mapping[str, np.ndarray], kinds: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays ready to be written: names valid, types among `kinds` (keyed by numpy's type name), little-endian.

    Raises:
        WeightsError: naming the first tensor that the format cannot hold.
    """
    ready: dict[str, np.ndarray] = {}
    for name, value in tensors.items():
        if not isinstance(name, str) or not name or "\0" in name:
            raise WeightsError(f"{where}: {shown(name)} is no name for a tensor; a name is text that is not empty")
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise WeightsError(f"{where}: the tensor name {name!r} is not valid Unicode text") from error
        array = np.asarray(value)
        if array.dtype.name not in kinds:
            raise WeightsError(
                f"{where}: tensor {name!r} has the type {array.dtype.name}, which the format cannot hold; "
                f"it holds {', '.join(sorted(kinds))}"
            )
        ready[name] = little_endian(array)
    return ready


def raw_bytes(array: np.ndarray) -> memoryview:
    """The array's bytes in C order, without a copy where it is contiguous."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data

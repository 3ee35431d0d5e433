"""Writes the few pickle opcodes that state dictionaries need, straight into a file.

Python's pickler would copy every array and keep all copies in its memo until the end; this one streams. The output is
an ordinary pickle, deterministic, and the same whatever version of numpy writes it.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np


class PickleWriter:
    """Emits one pickle of the given protocol, in the order in which a pickle machine wants the values."""

    def __init__(self, file: BinaryIO, protocol: int) -> None:
        self.file = file
        self.memo: dict[str, int] = {}
        self.protocol = protocol
        self.op(pickle.PROTO + bytes([protocol]))

    def op(self, raw: bytes) -> None:
        self.file.write(raw)

    def text(self, value: str) -> None:
        raw = value.encode()
        self.op(pickle.BINUNICODE + struct.pack("<I", len(raw)) + raw)

    def integer(self, value: int) -> None:
        if 0 <= value < 256:
            self.op(pickle.BININT1 + bytes([value]))
        elif -(1 << 31) <= value < 1 << 31:
            self.op(pickle.BININT + struct.pack("<i", value))
        else:
            raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            self.op(pickle.LONG1 + bytes([len(raw)]) + raw)

    def integers(self, values: tuple[int, ...]) -> None:
        """A tuple of integers."""
        self.op(pickle.MARK)
        for value in values:
            self.integer(value)
        self.op(pickle.TUPLE)

    def name(self, module: str, name: str) -> None:
        """A global; from the second time on through the memo."""
        full = f"{module} {name}"
        if full in self.memo:
            self.op(pickle.LONG_BINGET + struct.pack("<I", self.memo[full]))
            return
        self.memo[full] = len(self.memo)
        self.op(pickle.GLOBAL + f"{module}\n{name}\n".encode("ascii"))
        self.op(pickle.LONG_BINPUT + struct.pack("<I", self.memo[full]))

    def payload(self, raw: memoryview) -> None:
        """Bytes, unbuffered; needs protocol 3, from 4 GiB on protocol 4."""
        if len(raw) < 1 << 32:
            self.op(pickle.BINBYTES + struct.pack("<I", len(raw)))
        else:
            self.op(pickle.BINBYTES8 + struct.pack("<Q", len(raw)))
        self.file.write(raw)

    def array(self, array: np.ndarray, raw: memoryview) -> None:
        """A numpy array as numpy itself pickles it. The old module path is the one that numpy 1 and 2 both read."""
        self.name("numpy.core.multiarray", "_reconstruct")
        self.name("numpy", "ndarray")
        self.integers((0,))
        self.op(pickle.SHORT_BINBYTES + b"\x01b" + pickle.TUPLE3 + pickle.REDUCE)
        self.op(pickle.MARK)
        self.integer(1)
        self.integers(array.shape)
        self.dtype(array.dtype)
        self.op(pickle.NEWFALSE)
        self.payload(raw)
        self.op(pickle.TUPLE + pickle.BUILD)

    def dtype(self, dtype: np.dtype[Any]) -> None:
        """A numpy type of numbers."""
        self.name("numpy", "dtype")
        self.text(f"{dtype.kind}{dtype.itemsize}")
        self.op(pickle.NEWFALSE + pickle.NEWTRUE + pickle.TUPLE3 + pickle.REDUCE)
        self.op(pickle.MARK)
        self.integer(3)
        self.text("|" if dtype.itemsize == 1 else "<")
        self.op(pickle.NONE * 3)
        self.integer(-1)
        self.integer(-1)
        self.integer(0)
        self.op(pickle.TUPLE + pickle.BUILD)

    def text_table(self, table: Mapping[str, str]) -> None:
        """A dictionary from text to text."""
        self.op(pickle.EMPTY_DICT + pickle.MARK)
        for key, value in table.items():
            self.text(key)
            self.text(value)
        self.op(pickle.SETITEMS)

    def stop(self) -> None:
        self.op(pickle.STOP)

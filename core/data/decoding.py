"""Decoding as far as a crop needs it, and in the fastest way that is installed.

PNG, the format of Cityscapes and of all label maps, is deflated rows, each filtered by its neighbours to the left and
above: the upper left part can be had without the rest. With the extra `data-fast` (Intel's ISA-L inflates, compiled
kernels undo the filters) that takes a third of OpenCV's time, and gives the same pixels. Everything else is OpenCV's
business.
PNG: W3C recommendation, 3rd edition, sections 9 (filters) and 10 (deflate).
"""

from __future__ import annotations

import functools
import importlib.util
import struct
import zlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from core.data.resampling import compiled

PNG = b"\x89PNG\r\n\x1a\n"
GREY, COLOR, PALETTE = 0, 2, 3  # colour types of IHDR

WORTHWHILE = 1 << 18
"""Pixels from which on loading the compiled kernels pays."""


class Picture(Protocol):
    """A picture that may not be decoded yet."""

    @property
    def size(self) -> tuple[int, int]:
        """Height, width."""

    def first(self, rows: int, columns: int | None = None) -> np.ndarray:
        """At least its upper left part of that size (all columns by default): uint8 [≥rows, ≥columns, 3], RGB."""


class Whole:
    """A picture that is decoded: uint8 [H, W, 3]."""

    def __init__(self, image: np.ndarray) -> None:
        self.image = image

    @property
    def size(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]

    def first(self, rows: int, columns: int | None = None) -> np.ndarray:
        return self.image


class PngRows:
    """A PNG file of 8 bits a sample, not interlaced: colours, grey, or the indices of a palette.

    Args:
        data: the file; its checksums are the caller's business.
        channels: 1 or 3.
    """

    def __init__(self, data: bytes, size: tuple[int, int], channels: int) -> None:
        self.data = data
        self.size = size
        self.channels = channels

    def first(self, rows: int, columns: int | None = None) -> np.ndarray:
        """uint8 [rows, columns, 3], or [rows, columns] of one channel: the upper left part.

        Filters look left and up, so what lies right of it and below is not needed. Raises ValueError for data that PNG
        does not allow.
        """
        height, width = self.size
        rows, columns = min(rows, height), min(columns or width, width)
        stride = width * self.channels + 1
        try:
            raw = inflate(image_data(self.data), rows * stride)
        except Exception as error:  # zlib's and isal's own
            raise ValueError(f"its pixels cannot be decompressed ({error})") from error
        if len(raw) < rows * stride:
            raise ValueError(f"it holds {len(raw) // stride} rows of {height}")
        kernels = compiled(height * width)
        out = np.empty((rows, columns, self.channels), np.uint8)
        if not kernels.unfilter(np.frombuffer(raw, np.uint8), stride, out):
            raise ValueError("a row's filter is none that PNG knows")
        return out if self.channels == 3 else out[:, :, 0]


def fast_png(data: bytes, color: bool) -> PngRows | None:
    """A PNG that is read here faster than by OpenCV and to the same pixels; None for any other file.

    color: whether the picture is wanted (colours without palette or orientation), or one channel as it is stored.
    """
    if len(data) < 33 or not data.startswith(PNG) or data[12:16] != b"IHDR":
        return None
    width, height, bits, kind, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    wanted = (COLOR,) if color else (GREY, PALETTE)
    if bits != 8 or interlaced or kind not in wanted or height * width < WORTHWHILE or compiled(height * width) is None:
        return None
    if any(name in (b"eXIf", b"acTL") for name, _ in _chunks(data)):  # turned, or a film
        return None
    return PngRows(data, (height, width), 3 if color else 1)


def _chunks(data: bytes) -> list[tuple[bytes, slice]]:
    """Names and contents' places of a PNG file's chunks."""
    found, position = [], len(PNG)
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        found.append((data[position + 4 : position + 8], slice(position + 8, position + 8 + length)))
        position += 12 + length
    return found


def image_data(data: bytes) -> bytes:
    """The zlib stream that the IDAT chunks of a PNG file make together."""
    return b"".join(data[place] for name, place in _chunks(data) if name == b"IDAT")


def inflate(stream: bytes, size: int) -> bytes:
    """The first `size` bytes (or a few less, at the stream's end) of a zlib stream."""
    return _inflater()().decompress(stream, size)


@functools.cache
def _inflater() -> Callable[[], Any]:
    if importlib.util.find_spec("isal") is None:
        return zlib.decompressobj
    from isal import isal_zlib

    made: Callable[[], Any] = isal_zlib.decompressobj
    return made

"""The size of a picture from its first bytes, before anything decodes it: few bytes can ask for much memory."""

from __future__ import annotations

import struct

from core.errors import DataError

MOST_PIXELS = 1 << 28
"""Of a picture or label map; the largest of a known data set (Mapillary Vistas) have less than a tenth of it."""

_PNG = b"\x89PNG\r\n\x1a\n"
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG's markers "start of frame"


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Height and width of a PNG, JPEG or BMP file; None for others, and for one that is cut before they are told."""
    try:
        if data.startswith(_PNG):
            width, height = struct.unpack(">II", data[16:24])
            return height, width
        if data.startswith(b"BM"):
            width, height = struct.unpack("<ii", data[18:26])
            return abs(height), abs(width)
        if data.startswith(b"\xff\xd8"):
            return _jpeg_size(data)
    except struct.error:
        return None
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker, length = struct.unpack(">BH", data[position + 1 : position + 4])
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            return height, width
        position += 1 if marker == 0xFF else 2 + length  # markers may be filled up with 0xFF
    return None


def refuse_huge(data: bytes, where: str) -> None:
    """Raises DataError for a picture that would fill memory."""
    size = picture_size(data)
    if size is not None and size[0] * size[1] > MOST_PIXELS:
        raise DataError(f"{where}: a picture of {size[1]}x{size[0]} pixels: no data set's, perhaps made to fill memory")

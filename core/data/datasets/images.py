"""Reading pictures and label maps. Whatever is wrong with a file, the error names the file."""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from core.errors import DataError

IMAGE_EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]", re.DOTALL)  # not: stuffing, restarts, the start


def read_image(path: str | Path, upright: bool = False) -> np.ndarray:
    """Read a picture as uint8 [H, W, 3] in RGB order; grey pictures become three equal channels.

    Args:
        path: any format OpenCV reads.
        upright: turn the picture as its EXIF orientation says. Off by default, because the label maps that belong
            to a picture are stored as the sensor saw it.

    Raises:
        DataError: the file is missing, cut short, or no image.
    """
    flags = cv2.IMREAD_COLOR if upright else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = _decode(_read_bytes(path), flags, path)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def read_label(path: str | Path) -> np.ndarray:
    """Read a label map as uint8 [H, W], exactly as stored. Palette PNGs give their indices, not their colours.

    Raises:
        DataError: the file is missing, cut short, no image, or not one 8-bit channel.
    """
    data = _read_bytes(path)
    levels = None
    if data.startswith(_PNG_SIGNATURE) and len(data) > 26 and data[25] == 3:  # the colour type "palette"
        levels = (1 << data[24]) - 1  # the largest index at this bit depth
        data = _palette_to_grey(data, path)
    label = _decode(data, cv2.IMREAD_UNCHANGED, path)
    if label.ndim != 2 or label.dtype != np.uint8:
        channels = 1 if label.ndim == 2 else label.shape[2]
        raise DataError(
            f"{path}: a label map must have one 8-bit channel of class numbers, but this file has "
            f"{channels} of {8 * label.dtype.itemsize} bits. Is it a picture or a coloured label?"
        )
    if levels is not None and levels < 255:
        label = label // (255 // levels)  # the decoder spreads 1-, 2- and 4-bit grey over 0..255
    return label


def colorize(label: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Paint a label map [H, W] in the colours of `palette` (uint8 [C, 3]): uint8 [H, W, 3].

    Numbers beyond the palette, so ignored pixels, turn black.
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    return table[label]


def values_present(label: np.ndarray) -> np.ndarray:
    """The values that occur in a uint8 label map, in ascending order (much faster than `np.unique`)."""
    return np.flatnonzero(cv2.calcHist([np.ascontiguousarray(label)], [0], None, [256], [0, 256]))


def _read_bytes(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _decode(data: bytes, flags: int, path: str | Path) -> np.ndarray:
    if not data:
        raise DataError(f"{path}: the file is empty")
    _check_complete(data, path)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DataError(f"{path}: cannot be decoded ({error.err})") from error
    if pixels is None:
        raise DataError(f"{path}: not an image, or one that is corrupt ({len(data)} bytes)")
    return pixels


def _check_complete(data: bytes, path: str | Path) -> None:
    """Refuse files that were cut or damaged: the decoders fill the missing part with grey or black and say nothing."""
    whole = True
    if data.startswith(_PNG_SIGNATURE):
        whole = _png_is_sound(data)
    elif data.startswith(b"\xff\xd8"):
        whole = _jpeg_is_whole(data)
    elif data.startswith(b"RIFF") and len(data) >= 12:  # WebP: the container states its length
        whole = len(data) >= struct.unpack("<I", data[4:8])[0] + 8
    if not whole:
        raise DataError(f"{path}: the file is cut short or damaged ({len(data)} bytes); fetch it again")


def _jpeg_is_whole(data: bytes) -> bool:
    """Whether the end-of-image marker is reached, segment by segment; more may follow it (the film of a phone)."""
    position = 2
    while (marker := _JPEG_MARKER.search(data, position)) is not None:
        position = marker.end()
        if marker.group() == b"\xff\xd9":
            return True
        position += int.from_bytes(data[position : position + 2], "big")  # the segment's length, with these two bytes
    return False


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield (type, payload, sound) for the chunks of a PNG file, up to the first one that is incomplete."""
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        end = position + 12 + length
        if end > len(data):
            return
        payload = data[position + 8 : end - 4]
        yield kind, payload, zlib.crc32(payload, zlib.crc32(kind)) == struct.unpack(">I", data[end - 4 : end])[0]
        if kind == b"IEND":
            return
        position = end


def _png_is_sound(data: bytes) -> bool:
    chunks = [(kind, sound) for kind, _, sound in _png_chunks(data)]
    return all(sound for _, sound in chunks) and bool(chunks) and chunks[-1][0] == b"IEND"


def _palette_to_grey(data: bytes, path: str | Path) -> bytes:
    """Rewrite a palette PNG as a grey one with the same pixel data: OpenCV then returns indices, not colours."""
    if not _png_is_sound(data):
        raise DataError(f"{path}: the file is cut short or damaged ({len(data)} bytes); fetch it again")
    out = bytearray(_PNG_SIGNATURE)
    for kind, payload, _ in _png_chunks(data):
        if kind in (b"PLTE", b"tRNS", b"bKGD", b"hIST", b"sPLT"):
            continue
        if kind == b"IHDR":
            payload = payload[:9] + b"\x00" + payload[10:]  # colour type 3 (palette) -> 0 (grey)
        out += struct.pack(">I", len(payload)) + kind + payload
        out += struct.pack(">I", zlib.crc32(payload, zlib.crc32(kind)))
    return bytes(out)

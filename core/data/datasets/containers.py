"""What the containers of pictures say of themselves, read from their bytes: whole or cut, lossy or not, how deep.

And label maps rewritten so that OpenCV gives the stored numbers: it spreads few bits over 0..255, paints palettes and
turns "white is zero" round, as a picture wants it. PNG: W3C recommendation, 3rd edition; TIFF: revision 6.0; Netpbm:
the manual pages pbm(5), pgm(5).
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_JPEG_2000 = (b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51")
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]", re.DOTALL)  # not: stuffing, restarts, the start
_NETPBM_FIELD = rb"(?:\s+|#[^\n]*\n)+(\d+)"
_NETPBM = re.compile(rb"P([1-6])" + 2 * _NETPBM_FIELD + rb"(?:" + _NETPBM_FIELD + rb")?")
_TIFF = {b"II*\x00": "<", b"MM\x00*": ">"}
_BIG_TIFF = (b"II+\x00", b"MM\x00+")
_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 258, 259, 262, 277
_TIFF_NUMBERS = {1: "B", 3: "H", 4: "I"}  # the types of a tag that holds one number
_LOSSY_TIFF = {6: "JPEG", 7: "JPEG", 33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 50001: "WebP"}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _PALETTE = 0, 1, 3


def is_whole(data: bytes) -> bool:
    """Whether nothing of a PNG, JPEG or WebP file is missing or damaged, as far as the container tells.

    The decoders fill a missing part with grey or black and say nothing. Of other formats nothing is known: True.
    """
    if data.startswith(PNG):
        chunks = [(kind, sound) for kind, _, sound in _png_chunks(data)]
        return all(sound for _, sound in chunks) and bool(chunks) and chunks[-1][0] == b"IEND"
    if data.startswith(_JPEG):
        return _jpeg_is_whole(data)
    if is_webp(data):  # the container states its length
        return len(data) >= int(struct.unpack("<I", data[4:8])[0]) + 8
    return True


def is_8_bit(data: bytes) -> bool:
    """Whether the picture is surely one of 8 bits or fewer a channel, as its first bytes say."""
    if data.startswith(PNG):
        return len(data) > 24 and data[24] <= 8
    return data.startswith((_JPEG, b"BM")) or is_webp(data)


def exif_orientation(data: bytes) -> int:
    """How a JPEG, PNG or WebP says that it is to be turned (Exif 2.32, tag 0x0112): 1, upright, to 8; 1 for silence."""
    start = _exif_start(data)
    order = _TIFF.get(data[start : start + 4]) if start else None
    if order is None or start + 8 > len(data):
        return 1
    first = start + int(struct.unpack_from(order + "I", data, start + 4)[0])
    if first + 2 > len(data):
        return 1
    for position in range(first + 2, first + 2 + 12 * struct.unpack_from(order + "H", data, first)[0], 12):
        if position + 12 <= len(data) and struct.unpack_from(order + "H", data, position)[0] == 0x0112:
            value = int(struct.unpack_from(order + "H", data, position + 8)[0])
            return value if 1 <= value <= 8 else 1
    return 1


def _exif_start(data: bytes) -> int:
    """Where the Exif block, a TIFF header, begins; 0 for none."""
    if data.startswith(_JPEG):
        return data.find(b"Exif\0\0", 0, 1 << 16) + 6 if b"Exif\0\0" in data[: 1 << 16] else 0
    marker = b"eXIf" if data.startswith(PNG) else b"EXIF" if is_webp(data) else b""
    start = data.find(marker) + 4 if marker and marker in data else 0
    if start and marker == b"EXIF":
        start += 4  # the chunk's length stands after its name
    return start + 6 if start and data[start : start + 6] == b"Exif\0\0" else start


def png_palette(data: bytes) -> bytes | None:
    """The colours of a palette PNG, three bytes each; None for other files."""
    if not data.startswith(PNG) or data[25:26] != b"\x03":
        return None
    return next((payload for kind, payload, _ in _png_chunks(data) if kind == b"PLTE"), None)


def netpbm_white(data: bytes) -> int | None:
    """The number that a binary PGM or PPM file declares as white; None for other files."""
    found = _NETPBM.match(data)
    return int(found[4]) if found and found[1] in b"56" and found[4] else None


def lossy_format(data: bytes) -> str | None:
    """The name of the format where a file's pixels are not surely what was put in; None for lossless files."""
    if data.startswith(_JPEG):
        return "JPEG"
    if data.startswith(_JPEG_2000):
        return "JPEG 2000"
    if is_webp(data) and any(kind == b"VP8 " for kind in _riff_chunks(data)):
        return "lossy WebP"
    return _LOSSY_TIFF.get(tags[_COMPRESSION].value) if _COMPRESSION in (tags := _tiff_tags(data)) else None


@dataclass(frozen=True)
class Stored:
    """A label map's file as OpenCV must read it.

    `data`: the file, rewritten where needed. `table`: uint8 [256], from what OpenCV then gives to what is stored; None
    where they are equal.
    """

    data: bytes
    table: np.ndarray | None = None


def as_stored(data: bytes) -> Stored:
    """The file such that OpenCV gives the numbers stored in it: indices of palettes, few bits, "white is zero".

    Raises:
        ValueError: what the file is, where OpenCV cannot give its numbers.
    """
    if data.startswith(PNG) and len(data) > 25:
        bits, color_type = data[24], data[25]
        if color_type not in (0, 3):
            return Stored(data)  # colours
        plain = color_type == 0 and b"tRNS" not in data
        return Stored(data if plain else _png_as_grey(data), _spread(bits))
    if data.startswith(b"BM"):
        return Stored(_bmp_with_plain_palette(data))
    if data.startswith(_BIG_TIFF):
        raise ValueError("a BigTIFF file")
    if data.startswith(tuple(_TIFF)):
        return _tiff_as_stored(data)
    if found := _NETPBM.match(data):
        if found[1] in b"14":  # a bit map: 1 is black
            return Stored(data, np.where(np.arange(256) == 0, 1, 0).astype(np.uint8))
        if found[1] == b"2" and found[4] and int(found[4]) < 256:  # OpenCV spreads the plain form alone
            return Stored(data[: found.start(4)] + b"255" + data[found.end(4) :])
    return Stored(data)


def _spread(bits: int) -> np.ndarray | None:
    """The table that undoes the spreading of numbers of 1, 2 or 4 bits over 0..255."""
    return (np.arange(256) // (255 // ((1 << bits) - 1))).astype(np.uint8) if bits in (1, 2, 4) else None


def is_webp(data: bytes) -> bool:
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP"


def _riff_chunks(data: bytes) -> Iterator[bytes]:
    position = 12
    while position + 8 <= len(data):
        kind, length = struct.unpack("<4sI", data[position : position + 8])
        yield kind
        position += 8 + length + length % 2


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
    position = len(PNG)
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


def _png_as_grey(data: bytes) -> bytes:
    """A palette PNG as a grey one with the same pixel data, a grey one without its transparent value."""
    out = bytearray(PNG)
    for kind, payload, _ in _png_chunks(data):
        if kind in (b"PLTE", b"tRNS", b"bKGD", b"hIST", b"sPLT"):
            continue
        if kind == b"IHDR":
            payload = payload[:9] + b"\x00" + payload[10:]  # colour type 3 (palette) -> 0 (grey)
        out += struct.pack(">I", len(payload)) + kind + payload
        out += struct.pack(">I", zlib.crc32(payload, zlib.crc32(kind)))
    return bytes(out)


def _bmp_with_plain_palette(data: bytes) -> bytes:
    """A BMP file of 8 bits or fewer with the grey i as colour i, so that OpenCV gives indices."""
    if len(data) < 30:
        return data
    pixels, header = struct.unpack("<II", data[10:18])
    core = header == 12  # the oldest header: 16-bit sizes, three bytes a colour
    bits = struct.unpack("<H", data[24:26] if core else data[28:30])[0]
    if bits > 8:
        return data
    first, width = 14 + header, 3 if core else 4
    count = min(1 << bits, max(pixels - first, 0) // width)
    palette = b"".join(bytes([i] * 3 + [0] * (width - 3)) for i in range(count))
    return data[:first] + palette + data[first + len(palette) :]


@dataclass(frozen=True)
class _Tag:
    format: str  # struct's, of the value
    position: int  # of the value in the file
    value: int


def _tiff_tags(data: bytes) -> dict[int, _Tag]:
    """The tags of a TIFF file's first picture that hold one whole number; empty for other files."""
    order = _TIFF.get(data[:4])
    if order is None or len(data) < 8:
        return {}
    start = struct.unpack(order + "I", data[4:8])[0]
    if start + 2 > len(data):
        return {}
    tags = {}
    for entry in range(struct.unpack(order + "H", data[start : start + 2])[0]):
        position = start + 2 + 12 * entry
        if position + 12 > len(data):
            break
        tag, kind, count = struct.unpack(order + "HHI", data[position : position + 8])
        if kind in _TIFF_NUMBERS and count == 1:
            form = order + _TIFF_NUMBERS[kind]
            tags[tag] = _Tag(form, position + 8, struct.unpack_from(form, data, position + 8)[0])
    return tags


def _tiff_as_stored(data: bytes) -> Stored:
    tags = _tiff_tags(data)
    photometric, samples = tags.get(_PHOTOMETRIC), tags.get(_SAMPLES)
    if photometric is None or photometric.value not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _PALETTE):
        return Stored(data)  # colours
    if samples is not None and samples.value != 1:
        raise ValueError(f"a TIFF file of {samples.value} channels")
    depth = tags[_BITS].value if _BITS in tags else 1  # the default of TIFF
    if depth not in (1, 8, 16, 32, 64):
        raise ValueError(f"a TIFF file of {depth} bits a pixel")
    black = struct.pack(photometric.format, _BLACK_IS_ZERO)
    end = photometric.position + len(black)
    return Stored(data[: photometric.position] + black + data[end:], _spread(depth))

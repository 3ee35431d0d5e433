"""What is let in: whole PNG, JPEG and WebP pictures of a bounded size. Nothing is decoded before its header is judged.

A file that is two files at once (a picture with an archive or a page behind it), is cut short, is animated, or states a
size beyond the limit is refused, and what a PNG carries beside its pixels never reaches a decoder.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np

from core.errors import DataError

PNG = b"\x89PNG\r\n\x1a\n"
_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf", b"IEND")
_START_OF_FRAME = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive; others no decoder here reads
_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_MOST_SCANS = 64  # of a progressive JPEG; each is a pass over the whole picture


class Refused(DataError):
    """An upload that is not let in. `status`: of the HTTP answer."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Upload:
    """A picture's bytes as they may be decoded, and the size that its header states."""

    data: bytes
    height: int
    width: int


def inspect(data: bytes, most_pixels: int) -> Upload:
    """Judges the bytes by the container alone. Raises Refused with what is wrong with them."""
    if not data:
        raise Refused("the upload is empty; send the picture's bytes as the body")
    if data.startswith(PNG):
        upload = _png(data)
    elif data.startswith(b"\xff\xd8\xff"):
        upload = _jpeg(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        upload = _webp(data)
    else:
        raise Refused(f"not a PNG, JPEG or WebP picture{_guess(data)}; convert it to PNG or JPEG", 415)
    if upload.height < 1 or upload.width < 1:
        raise Refused("the picture states a size of 0 pixels")
    if upload.height * upload.width > most_pixels:
        raise Refused(
            f"the picture has {upload.width} x {upload.height} pixels, the most taken is {most_pixels}; scale it down",
            413,
        )
    return upload


def decode(upload: Upload) -> np.ndarray:
    """uint8 [H, W, 3] RGB, upright as its EXIF orientation says. Raises Refused where the pixels are damaged."""
    try:
        pixels = cv2.imdecode(np.frombuffer(upload.data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.size == 0:
        raise Refused("the picture's data are damaged; save it anew")
    if sorted(pixels.shape[:2]) != sorted((upload.height, upload.width)):
        raise Refused("the picture's data do not have the size that its header states; save it anew")
    return np.ascontiguousarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def _guess(data: bytes) -> str:
    """What the bytes may be instead, for the error."""
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for start, name in (
        (b"<svg", "SVG"), (b"<?xml", "SVG or XML"), (b"<!doctype", "HTML"), (b"<html", "HTML"), (b"gif8", "GIF"),
        (b"bm", "BMP"), (b"ii*", "TIFF"), (b"mm\x00*", "TIFF"), (b"%pdf", "PDF"), (b"pk\x03\x04", "a ZIP archive"),
        (b"\x1f\x8b", "gzip"),
    ):  # fmt: skip
        if head.startswith(start):
            return f" but {name}"
    return " but HEIC or AVIF" if data[4:8] == b"ftyp" else ""


def _png(data: bytes) -> Upload:
    kept, position, size = bytearray(PNG), len(PNG), (0, 0)
    kinds: list[bytes] = []
    packed = bytearray()
    while not kinds or kinds[-1] != b"IEND":
        if position + 12 > len(data):
            raise Refused("the PNG file is cut short; fetch it again")
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        end = position + 12 + length
        if end > len(data):
            raise Refused("the PNG file is cut short; fetch it again")
        payload = data[position + 8 : end - 4]
        if zlib.crc32(data[position + 4 : end - 4]) != struct.unpack(">I", data[end - 4 : end])[0]:
            raise Refused("the PNG file is damaged (a checksum is wrong); fetch it again")
        if not kinds:
            size = _png_header(kind, payload)
        elif kind == b"IHDR":
            raise Refused("the PNG file is damaged (two headers)")
        if kind == b"acTL":
            raise Refused("the PNG file is animated; send one picture of it")
        if kind == b"IDAT":
            packed += payload
        if kind in _KEPT:
            kept += data[position:end]
        kinds.append(kind)
        position = end
    if position != len(data):
        raise Refused(f"{len(data) - position} bytes stand behind the PNG picture's end; send the picture alone")
    height, width = size
    header = data[len(PNG) + 8 : len(PNG) + 21]
    return Upload(_pixels_fit(bytes(kept), bytes(packed), header), height, width)


def _png_header(kind: bytes, payload: bytes) -> tuple[int, int]:
    if kind != b"IHDR" or len(payload) != 13:
        raise Refused("the PNG file is damaged (no header)")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", payload)
    depths = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
    if depth not in depths.get(colour, ()) or compression or filtering or interlace > 1:
        raise Refused("the PNG file's header is damaged")
    return height, width


def _pixels_fit(data: bytes, packed: bytes, header: bytes) -> bytes:
    """The file, where its pixels' packed data are as long as the header says; libpng fills what is missing with black.

    At most the stated length and one byte are unpacked, in pieces that are thrown away.
    """
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", header)
    if interlace or width * height > 1 << 28:  # interlaced rows have other lengths; too large is refused by the size
        return data
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    expected = height * (1 + (width * channels * depth + 7) // 8)
    stream, found, pending = zlib.decompressobj(), 0, packed
    try:
        while pending and found <= expected and not stream.eof:
            found += len(stream.decompress(pending, 1 << 20))
            pending = stream.unconsumed_tail
    except zlib.error:
        raise Refused("the PNG file's pixels are damaged; save it anew") from None
    if found != expected:
        raise Refused("the PNG file's pixels are not as many as its header states; save it anew")
    return data


def _jpeg(data: bytes) -> Upload:
    """Walks the markers from the start to the end of the picture."""
    position, size, scans = 2, None, 0
    while True:
        position = data.find(b"\xff", position)
        while 0 <= position < len(data) - 1 and data[position + 1] == 0xFF:  # fill bytes
            position += 1
        if position < 0 or position + 1 >= len(data):
            raise Refused("the JPEG file is cut short; fetch it again")
        marker = data[position + 1]
        position += 2
        if marker == 0 or marker in _ALONE:  # stuffing and restarts within a scan
            continue
        if marker == 0xD9:
            break
        if marker == 0xD8 or position + 2 > len(data):
            raise Refused("the JPEG file is damaged; save it anew")
        length = struct.unpack(">H", data[position : position + 2])[0]
        if length < 2 or position + length > len(data):
            raise Refused("the JPEG file is cut short; fetch it again")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if marker not in _START_OF_FRAME or size is not None or length < 8:
                raise Refused("the JPEG file is of a kind that is not read; save it anew")
            size = struct.unpack(">HH", data[position + 3 : position + 7])
        if marker == 0xDA:
            scans += 1
            if size is None or scans > _MOST_SCANS:
                raise Refused("the JPEG file is damaged, or has too many scans; save it anew")
        position += length
    if size is None or scans == 0:
        raise Refused("the JPEG file holds no picture")
    if position != len(data):
        raise Refused(
            f"{len(data) - position} bytes stand behind the JPEG picture's end (a film of a phone looks so); send the "
            "picture alone"
        )
    return Upload(data, size[0], size[1])


def _webp(data: bytes) -> Upload:
    stated = struct.unpack("<I", data[4:8])[0] + 8
    if stated > len(data):
        raise Refused("the WebP file is cut short; fetch it again")
    if stated < len(data):
        raise Refused(f"{len(data) - stated} bytes stand behind the WebP picture's end; send the picture alone")
    position, size = 12, None
    while position + 8 <= len(data):
        kind, length = struct.unpack("<4sI", data[position : position + 8])
        body = data[position + 8 : position + 8 + length]
        if len(body) != length:
            raise Refused("the WebP file is cut short; fetch it again")
        if kind in (b"ANIM", b"ANMF"):
            raise Refused("the WebP file is animated; send one picture of it")
        if kind == b"VP8 " and len(body) >= 10 and body[3:6] == b"\x9d\x01\x2a":
            width, height = struct.unpack("<HH", body[6:10])
            size = (height & 0x3FFF, width & 0x3FFF)
        elif kind == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
            bits = struct.unpack("<I", body[1:5])[0]
            size = ((bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1)
        position += 8 + length + length % 2
    if size is None:
        raise Refused("the WebP file holds no picture")
    return Upload(data, *size)

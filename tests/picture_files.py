"""Files as cameras, editors and other programs write them, made byte by byte: what OpenCV cannot write."""

import struct
import zlib

import cv2
import numpy as np


def packed(values: np.ndarray, bits: int) -> list[bytes]:
    """The rows of [H, W] with `bits` bits a pixel, the leftmost pixel in the highest bits, padded to whole bytes."""
    single = (values[:, :, None].astype(int) >> np.arange(bits)[::-1]) & 1
    return [np.packbits(row.ravel().astype(np.uint8)).tobytes() for row in single]


def png(values: np.ndarray, bits: int, color_type: int = 0, extra: dict[bytes, bytes] | None = None) -> bytes:
    """A grey (0) or palette (3) PNG of numbers [H, W] with `bits` bits a pixel."""
    height, width = values.shape
    chunks = {b"IHDR": struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0), **(extra or {})}
    if color_type == 3:
        chunks[b"PLTE"] = bytes(reversed(range(3 << bits))) if bits < 8 else bytes(768)
    chunks[b"IDAT"] = zlib.compress(b"".join(b"\0" + row for row in packed(values, bits)))
    chunks[b"IEND"] = b""
    out = b"\x89PNG\r\n\x1a\n"
    for kind, payload in chunks.items():
        out += struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))
    return out


def tiff(values: np.ndarray, bits: int, photometric: int, compression: int = 1) -> bytes:
    """A little-endian TIFF: 0 white is zero, 1 black is zero, 3 palette."""
    height, width = values.shape
    data = b"".join(packed(values, bits))
    data += b"\0" * (len(data) % 2)
    colors = struct.pack(f"<{3 << bits}H", *(60 * i for i in range(3 << bits))) if photometric == 3 else b""
    short, long = 3, 4
    tags = [
        (256, short, 1, width), (257, short, 1, height), (258, short, 1, bits), (259, short, 1, compression),
        (262, short, 1, photometric), (273, long, 1, 8), (277, short, 1, 1), (278, short, 1, height),
        (279, long, 1, len(data)),
    ]  # fmt: skip
    if colors:
        tags.append((320, short, 3 << bits, 8 + len(data)))
    out = b"II*\0" + struct.pack("<I", 8 + len(data) + len(colors)) + data + colors + struct.pack("<H", len(tags))
    return out + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)


def bmp(values: np.ndarray, bits: int, grey: list[int]) -> bytes:
    """A BMP file of one row whose colours are these greys."""
    palette = b"".join(bytes([level] * 3 + [0]) for level in grey)
    row = packed(values, bits)[0]
    row += b"\0" * (-len(row) % 4)
    start = 54 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, values.shape[1], 1, 1, bits, 0, len(row), 0, 0, len(grey), 0)
    return b"BM" + struct.pack("<IHHI", start + len(row), 0, 0, start) + header + palette + row


def turned_jpeg(pixels: np.ndarray, orientation: int) -> bytes:
    """A JPEG of BGR pixels as the sensor saw them, with an EXIF orientation (1 to 8)."""
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]

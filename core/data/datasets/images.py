"""Reading pictures and label maps. Whatever is wrong with a file, the error names the file."""

from pathlib import Path

import cv2
import numpy as np

from core.data.datasets.containers import (
    as_stored,
    exif_orientation,
    is_8_bit,
    is_webp,
    is_whole,
    lossy_format,
    netpbm_white,
)
from core.data.decoding import Picture, PngRows, Whole, fast_png
from core.errors import DataError

_DARK = 1 << 12
"""16-bit pictures whose values all lie below this would keep less than 16 of 256 levels of brightness."""


def read_image(path: str | Path, like: tuple[int, int] | None = None, *, lossless: bool = False) -> np.ndarray:
    """Read a picture as uint8 [H, W, 3] in RGB order; grey pictures become three equal channels, 16 bits become 8.

    Args:
        path: any format OpenCV reads.
        like: height and width of the picture's label map. A picture is turned upright, as its EXIF orientation says,
            unless its label map fits it only as it is stored.
        lossless: the colours are numbers, so that a format which changes them is an error.

    Raises:
        DataError: the file is missing, cut short, no image, or one whose numbers have no known white.
    """
    data = _read_whole(path)
    if lossless:
        _refuse_lossy(data, path)
    fast = fast_png(data, color=True)
    if fast is not None:
        return _part(fast, *fast.size, path)
    pixels = _picture(data, path, cv2.IMREAD_COLOR)
    if like is not None and pixels.shape[:2] != like and pixels.shape[1::-1] == like:
        stored = _picture(data, path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        pixels = stored if stored.shape[:2] == like else pixels
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


class _Rows:
    """The picture of a file that is decoded when they are asked for."""

    def __init__(self, png: PngRows, path: str | Path) -> None:
        self.png, self.path = png, path
        self.size = png.size

    def first(self, rows: int, columns: int | None = None) -> np.ndarray:
        return _part(self.png, rows, columns, self.path)


def open_image(path: str | Path, like: tuple[int, int] | None = None) -> Picture:
    """`read_image`, put off where the file's format lets rows be decoded alone; other files are read at once."""
    data = _read_whole(path)
    fast = fast_png(data, color=True)
    return Whole(read_image(path, like)) if fast is None else _Rows(fast, path)


def _part(png: PngRows, rows: int, columns: int | None, path: str | Path) -> np.ndarray:
    try:
        return png.first(rows, columns)
    except ValueError as error:
        raise DataError(f"{path}: {error}; fetch it again") from error


def _picture(data: bytes, path: str | Path, flags: int) -> np.ndarray:
    """uint8 [H, W, 3], BGR."""
    if is_webp(data) and not flags & cv2.IMREAD_IGNORE_ORIENTATION:  # which OpenCV does not turn
        return _turned(_decode(data, flags, path), exif_orientation(data))
    if is_8_bit(data):
        return _decode(data, flags, path)
    values = _decode(data, cv2.IMREAD_UNCHANGED, path)
    white = netpbm_white(data)
    if white is not None and white not in (255, 65535):
        scaled = np.rint(values * (255.0 / white)).clip(0, 255).astype(np.uint8)
        return cv2.cvtColor(scaled, cv2.COLOR_GRAY2BGR) if scaled.ndim == 2 else scaled
    if values.dtype not in (np.uint8, np.uint16):
        raise DataError(
            f"{path}: holds {values.dtype} numbers, and nothing says which of them is white; "
            "convert the picture to 8 bits"
        )
    if values.dtype == np.uint16 and 0 < values.max() < _DARK:
        raise DataError(
            f"{path}: a picture of 16 bits whose largest value is {values.max()} of 65535, as cameras of 12 bits or "
            "fewer store them, would be nearly black; convert it to 8 bits (value * 255 / 4095 for 12 bits)"
        )
    return _decode(data, flags, path)


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """[H, W, 3] turned upright: Exif 2.32, tag 0x0112."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def read_label(path: str | Path, *, deep: bool = False) -> np.ndarray:
    """Read a label map as uint8 [H, W], exactly as stored, whatever the container and the depth.

    With `deep`, numbers up to 65535 are read, as uint16 [H, W] where the file has more than 8 bits.

    Palette files give their indices, not their colours; a bilevel file gives 0 and 1; more than 8 bits are read where
    the values fit into 0..255.

    Raises:
        DataError: the file is missing, cut short, no image, lossy, or not one channel of such numbers.
    """
    data = _read_whole(path)
    _refuse_lossy(data, path)
    fast = fast_png(data, color=False)
    if fast is not None:
        return _part(fast, *fast.size, path)
    try:
        stored = as_stored(data)
    except ValueError as error:
        raise DataError(f"{path}: {error}, which label maps are not read from; save it as a PNG of 8 bits") from None
    label = _decode(stored.data, cv2.IMREAD_UNCHANGED, path)
    if label.ndim != 2:
        raise DataError(f"{_not_one_channel(path, label)}. Is it a picture or a coloured label?")
    if label.dtype != np.uint8:
        kind = np.uint16 if deep else np.uint8
        with np.errstate(invalid="ignore"):
            wrong = label[(label < 0) | (label > np.iinfo(kind).max) | (label != label.astype(np.int64))]
        if wrong.size:
            raise DataError(f"{_not_one_channel(path, label)}, with values such as {wrong[0]}")
        return label.astype(kind)
    return label if stored.table is None else stored.table[label]


def _refuse_lossy(data: bytes, path: str | Path) -> None:
    lossy = lossy_format(data)
    if lossy is not None:
        raise DataError(
            f"{path}: a label map must not be {lossy}, which changes class numbers in writing; make it anew as PNG"
        )


def _not_one_channel(path: str | Path, label: np.ndarray) -> str:
    channels = 1 if label.ndim == 2 else label.shape[2]
    return (
        f"{path}: a label map must have one 8-bit channel of class numbers, but this file has "
        f"{channels} of {8 * label.dtype.itemsize} bits"
    )


def colorize(label: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Paint a label map [H, W] in the colours of `palette` (uint8 [C, 3]): uint8 [H, W, 3].

    Numbers beyond the palette, so ignored pixels, turn black.
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    return table[label]


def values_present(label: np.ndarray) -> np.ndarray:
    """The values that occur in a uint8 or uint16 label map, in ascending order (much faster than `np.unique`)."""
    size = 1 << 8 * label.dtype.itemsize
    return np.flatnonzero(cv2.calcHist([np.ascontiguousarray(label)], [0], None, [size], [0, size]))


def _read_whole(path: str | Path) -> bytes:
    """The file's bytes. Files that were cut or damaged are refused: the decoders fill what is missing with grey."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not data:
        raise DataError(f"{path}: the file is empty")
    if not is_whole(data):
        raise DataError(f"{path}: the file is cut short or damaged ({len(data)} bytes); fetch it again")
    return data


def _decode(data: bytes, flags: int, path: str | Path) -> np.ndarray:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DataError(f"{path}: cannot be decoded ({error.err})") from error
    if pixels is None:
        raise DataError(f"{path}: not an image, or one that is corrupt ({len(data)} bytes)")
    return pixels

"""The kinds of label files that are not images of class numbers: colours, 16 bits, MATLAB's, text.

Each function gives the numbers of one file, uint8 or uint16 [H, W], as stored; which classes they are says a
`Numbering`. Raises DataError, naming the file. Images of class numbers and palette indices:
`core.data.datasets.images.read_label`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from core.data.datasets.containers import PNG
from core.data.datasets.images import read_image, read_label
from core.data.matlab import read_mat, smallest_kind
from core.errors import DataError

Color = tuple[int, int, int]


def read_deep(path: Path) -> np.ndarray:
    """An image of one channel of up to 16 bits."""
    return read_label(path, deep=True)


def read_colors(path: Path, colors: Sequence[Color]) -> np.ndarray:
    """A picture that paints each class in one colour: the positions in `colors` (RGB).

    Raises DataError for a colour that is not among them; lossy formats are refused as for other label maps.
    """
    return index_of_colors(_lossless(path), tuple(colors), path)


def read_numbers_or_colors(path: Path, colors: Sequence[Color], values: Sequence[int]) -> np.ndarray:
    """A label map of numbers (or palette indices), or a PNG that has the palette's colours in place of them.

    `values`: the numbers that `colors` stand for.
    """
    with suppress(OSError), open(path, "rb") as file:  # what is wrong with the file is told below
        head = file.read(26)
        if head.startswith(PNG) and head[25:] in (b"\x02", b"\x06"):
            return np.asarray(values, np.uint8)[read_colors(path, colors)]
    return read_label(path)


def index_of_colors(image: np.ndarray, colors: tuple[Color, ...], path: str | Path) -> np.ndarray:
    """uint8 [H, W, 3] -> uint8 [H, W]: the position of each pixel's colour."""
    packed = _packed(image)
    known, order = _sorted_colors(colors)
    place = np.searchsorted(known, packed).clip(max=len(known) - 1)
    wrong = known[place] != packed
    if wrong.any():
        red, green, blue = image[wrong][0].tolist()
        raise DataError(
            f"{path}: {int(wrong.sum())} pixels have colours that stand for no class, such as ({red}, {green}, {blue})"
        )
    return order[place]


def read_ade_full(path: Path) -> np.ndarray:
    """A `_seg.png` of ADE20K's full release: the number of the object class is R // 10 * 256 + G; uint16."""
    image = _lossless(path)
    return (image[..., 0].astype(np.uint16) // 10) * 256 + image[..., 1]


def read_matlab(path: Path, *keys: str) -> np.ndarray:
    """A label map in a MATLAB file: the variable `keys[0]`, its field `keys[1]` and so on."""
    value = read_mat(path, *keys)
    if value.ndim != 2:
        raise DataError(f"{path}: {'.'.join(keys)} is no label map but an array of shape {value.shape}")
    return smallest_kind(value, path)


def overlaid(paths: Sequence[Path]) -> np.ndarray:
    """Several label maps of one picture, 0 where each says nothing, laid one over the other; the first stays on top."""
    label = read_label(paths[0]).copy()
    for path in paths[1:]:
        other = read_label(path)
        if other.shape != label.shape:
            raise DataError(f"{path}: the label map is {other.shape[1]}x{other.shape[0]}, {paths[0].name} another size")
        np.copyto(label, other, where=label == 0)
    return label


def _lossless(path: Path) -> np.ndarray:
    """A picture of colours that are numbers: uint8 [H, W, 3], RGB."""
    return read_image(path, lossless=True)


def _packed(image: np.ndarray) -> np.ndarray:
    wide = image.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


@lru_cache(maxsize=16)
def _sorted_colors(colors: tuple[Color, ...]) -> tuple[np.ndarray, np.ndarray]:
    packed = np.array([red << 16 | green << 8 | blue for red, green, blue in colors], np.int32)
    order = np.argsort(packed, kind="stable")
    return packed[order], order.astype(np.uint8)


def encode_png(label: np.ndarray) -> bytes:
    """A label map, uint8 or uint16 [H, W], as a grey PNG of that depth."""
    done, data = cv2.imencode(".png", label, [cv2.IMWRITE_PNG_COMPRESSION, 6])
    if not done:
        raise DataError(f"a label map of shape {label.shape} cannot be written as PNG")
    return data.tobytes()

"""What becomes of a member's bytes: each function takes them, and the name that errors use, and gives the new
file's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from core.data.datasets.containers import lossy_format
from core.data.label_decoding import Color, encode_png, index_of_colors
from core.data.labels import IGNORE, Row
from core.data.matlab import read_mat, smallest_kind
from core.data.prepare.picture_size import refuse_huge
from core.data.prepare.recipe import Convert
from core.errors import DataError


def mat_to_png(*keys: str) -> Convert:
    """A label map in a MATLAB file, the variable `keys[0]` and its field `keys[1]` and so on, as PNG of 8 or 16
    bits."""

    def convert(data: bytes, where: str) -> bytes:
        label = read_mat(where, *keys, data=data)
        if label.ndim != 2:
            raise DataError(f"{where}: {'.'.join(keys)} is no label map but an array of shape {label.shape}")
        return encode_png(smallest_kind(label, where))

    return convert


def regions_to_png(data: bytes, where: str) -> bytes:
    """A label map as text, a line of numbers a row; negative numbers become 255."""
    try:
        rows = [[int(word) for word in line.split()] for line in data.decode("ascii").splitlines() if line.strip()]
        label = np.array(rows, np.int64)
    except (UnicodeDecodeError, ValueError, OverflowError):
        raise DataError(f"{where}: no rows of whole numbers, all of one length") from None
    if label.ndim != 2 or label.max() >= IGNORE:
        raise DataError(f"{where}: no rows of class numbers")
    return encode_png(np.where(label < 0, IGNORE, label).astype(np.uint8))


def mask_to_png(data: bytes, where: str) -> bytes:
    """A black and white picture, of a lossy format even, as 0 and 1; a file that holds nothing above 1 stays as it
    is."""
    refuse_huge(data, where)
    try:
        mask = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:
        mask = None
    if mask is None:
        raise DataError(f"{where}: not an image, or one that is corrupt ({len(data)} bytes)")
    return encode_png((mask >= 1 if mask.max(initial=0) <= 1 else mask >= 128).astype(np.uint8))


def colors_to_png(colors: tuple[Color, ...]) -> Convert:
    """A picture that paints each class in one colour as a label map of the places in `colors`."""

    def convert(data: bytes, where: str) -> bytes:
        refuse_huge(data, where)
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error:
            image = None
        if image is None or lossy_format(data) is not None:
            raise DataError(f"{where}: no picture of colours that are kept as they are, as PNG does")
        return encode_png(index_of_colors(image[..., ::-1], colors, where))

    return convert


def last_parts(data: bytes, where: str) -> bytes:
    """A list of paths, written for another machine, as a list of the files' names."""
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise DataError(f"{where}: is not encoded as UTF-8") from None
    return "".join(line.replace("\\", "/").rpartition("/")[2] + "\n" for line in lines if line).encode()


def checked_config(rows: Sequence[Row]) -> Convert:
    """Mapillary's list of classes as it is, once it is seen that it has the names `rows` have, if it has as many."""

    def convert(data: bytes, where: str) -> bytes:
        try:
            names = [label["readable"] for label in json.loads(data)["labels"]]
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{where}: no list of Mapillary's classes") from None
        for number, (there, row) in enumerate(zip(names, rows)):
            if len(names) == len(rows) and there != row.name:
                raise DataError(f"{where}: class {number} is {there!r} there, but {row.name!r} here: another numbering")
        return data

    return convert


def listed_numbers(expected: Mapping[str, int]) -> Convert:
    """A list "NUMBER: NAME" as it is, once it is seen that it gives the numbers `expected` (name -> number)."""

    def convert(data: bytes, where: str) -> bytes:
        found = dict(re.findall(r"^\s*(\d+)\s*:\s*(.+?)\s*$", data.decode("utf-8", "replace"), re.MULTILINE))
        for name, number in expected.items():
            there = found.get(str(number))
            if there is not None and there.replace(" ", "") != name.replace(" ", ""):
                raise DataError(f"{where}: category {number} is {there!r} there, but {name!r} here: another numbering")
        return data

    return convert

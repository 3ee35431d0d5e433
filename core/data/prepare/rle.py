"""Masks of COCO's annotations: run lengths, plain or compressed, and polygons, exactly as COCO's own tools fill them.

Format: https://cocodataset.org/#format-data; runs go down the columns, and begin with a run of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.errors import DataError

_FINE = 5
"""Polygons are drawn on a grid this much finer than the pixels."""
_FARTHEST = 1 << 17


def decode_counts(text: str | bytes) -> list[int]:
    """The run lengths of a compressed mask: numbers in six bits a character, from the third on as differences."""
    codes = text.encode("ascii") if isinstance(text, str) else text
    counts: list[int] = []
    value = shift = 0
    for code in codes:
        code -= 48
        if not 0 <= code < 64:
            raise ValueError("a character that belongs to no run length")
        value |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value |= -1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("it ends within a run length")
    return counts


def fill_runs(counts: Sequence[int], height: int, width: int) -> np.ndarray:
    """bool [height, width] of run lengths."""
    lengths = np.asarray(counts, np.int64)
    if lengths.ndim != 1 or (lengths < 0).any() or int(lengths.sum()) != height * width:
        raise ValueError(f"its runs do not add up to {width}x{height} pixels")
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(width, height).T


def runs_of(mask: np.ndarray) -> list[int]:
    """The run lengths of a mask, bool [H, W]: down the columns, the first of what is outside."""
    flat = np.asarray(mask, bool).T.reshape(-1)
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate([[0], ends, [flat.size]])).tolist()
    return [0, *runs] if flat.size and flat[0] else runs


def encode_counts(counts: Sequence[int]) -> str:
    """Run lengths as compressed text, which `decode_counts` reads."""
    codes = []
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        while True:
            code, value = value & 0x1F, value >> 5
            last = value == (-1 if code & 0x10 else 0)
            codes.append(chr(code + (0 if last else 0x20) + 48))
            if last:
                break
    return "".join(codes)


def fill_polygon(points: Sequence[float], height: int, width: int) -> np.ndarray:
    """bool [height, width] of a polygon [x0, y0, x1, y1, …] in pixels.

    As COCO's `rleFrPoly`: the outline is drawn on a grid five times finer; where it passes from one pixel column to the
    next, the column's runs change at the row it has there.
    """
    corners = np.asarray(points, np.float64)
    if corners.ndim != 1 or len(corners) % 2 or len(corners) < 2 or not (np.abs(corners) < _FARTHEST).all():
        raise ValueError("a polygon that is no list of x and y in pixels")
    fine = (_FINE * corners.reshape(-1, 2) + 0.5).astype(np.int64)  # rounds towards 0, as there
    outline = np.concatenate([_edge(a, b) for a, b in zip(fine, np.roll(fine, -1, axis=0))])
    x, y = outline[:, 0], outline[:, 1]
    moved = np.flatnonzero(x[1:] != x[:-1]) + 1
    column = np.where(x[moved] < x[moved - 1], x[moved], x[moved] - 1)
    column = (column + 0.5) / _FINE - 0.5
    row = np.minimum(y[moved], y[moved - 1])
    row = np.ceil(((row + 0.5) / _FINE - 0.5).clip(0, height))
    inside = (np.floor(column) == column) & (column >= 0) & (column <= width - 1)
    mask = np.zeros((width, height), bool)
    if inside.any():
        columns, rows = column[inside].astype(np.int64), row[inside].astype(np.int64)
        first, last = int(columns.min()), int(columns.max()) + 1
        flips = np.zeros(
            (last - first) * height + 1, np.uint8
        )  # a closed line crosses each column an even number of times
        np.bitwise_xor.at(flips, (columns - first) * height + rows, 1)
        mask[first:last] = np.bitwise_xor.accumulate(flips)[:-1].reshape(-1, height)
    return mask.T


def _edge(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """int64 [n, 2]: the points of a line, a step of 1 at a time along its longer side."""
    (xs, ys), (xe, ye) = start.tolist(), end.tolist()
    dx, dy = abs(xe - xs), abs(ye - ys)
    flip = (dx >= dy and xs > xe) or (dx < dy and ys > ye)
    if flip:
        xs, xe, ys, ye = xe, xs, ye, ys
    if dx >= dy:
        slope = (ye - ys) / dx if dx else 0.0
        steps = np.arange(dx, -1, -1) if flip else np.arange(dx + 1)
        return np.stack([steps + xs, (ys + slope * steps + 0.5).astype(np.int64)], axis=1)
    slope = (xe - xs) / dy
    steps = np.arange(dy, -1, -1) if flip else np.arange(dy + 1)
    return np.stack([(xs + slope * steps + 0.5).astype(np.int64), steps + ys], axis=1)


def mask_of(segmentation: Any, height: int, width: int, where: str) -> np.ndarray:
    """bool [height, width] of an annotation's `segmentation`: polygons, or run lengths. Raises DataError."""
    try:
        if isinstance(segmentation, dict):
            size = tuple(segmentation.get("size", ()))
            if size != (height, width):
                raise ValueError(f"a mask of {size}, but the picture is {(height, width)}")
            counts = segmentation["counts"]
            return fill_runs(decode_counts(counts) if isinstance(counts, str) else counts, height, width)
        mask = np.zeros((height, width), bool)
        for polygon in segmentation:
            mask |= fill_polygon(polygon, height, width)
        return mask
    except (ValueError, KeyError, TypeError, UnicodeEncodeError) as error:
        raise DataError(f"{where}: its segmentation cannot be read: {error}") from None

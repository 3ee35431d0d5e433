"""Compiled inner loops of the data pipeline (extra `data-fast`: numba). Import it through `core.data.resampling`.

Every kernel computes, in integers or by table, exactly what the numpy and OpenCV code beside its caller computes: with
or without numba a sample is the same.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_OPTIONS = {"cache": True, "nogil": True, "boundscheck": False}


@njit(**_OPTIONS)
def _blend_columns(pixels, firsts, seconds, weights, out):  # type: ignore[no-untyped-def]
    """One row uint8 [w, 3] at the output's columns: int32 [3 * W], 11 bits more than uint8."""
    for x in range(firsts.size):
        first, second, share = firsts[x], seconds[x], weights[x]
        rest = np.int32(2048) - share
        i = np.uintp(3 * x)
        out[i] = np.int32(pixels[first, 0]) * rest + np.int32(pixels[second, 0]) * share
        out[i + 1] = np.int32(pixels[first, 1]) * rest + np.int32(pixels[second, 1]) * share
        out[i + 2] = np.int32(pixels[first, 2]) * rest + np.int32(pixels[second, 2]) * share


@njit(**_OPTIONS)
def resize(image, rows, columns, out):  # type: ignore[no-untyped-def]
    """Bilinear: uint8 [h, w, 3] -> out uint8 [H, W, 3]. `rows` and `columns`: first, second, weight; rows do not
    decrease."""
    row_first, row_second, row_weight = rows
    column_first, column_second, column_weight = columns
    width = 3 * column_first.size
    above, below = np.empty(width, np.int32), np.empty(width, np.int32)
    at_above, at_below = np.int64(-1), np.int64(-1)
    for y in range(row_first.size):
        first, second = np.int64(row_first[y]), np.int64(row_second[y])
        if at_above != first:
            if at_below == first:
                above, below = below, above
                at_above, at_below = at_below, at_above
            else:
                _blend_columns(image[first], column_first, column_second, column_weight, above)
                at_above = first
        if second != first and at_below != second:
            _blend_columns(image[second], column_first, column_second, column_weight, below)
            at_below = second
        _blend_rows(above, above if second == first else below, row_weight[y], out[y].reshape(width))


@njit(**_OPTIONS)
def _blend_rows(above, below, weight, out):  # type: ignore[no-untyped-def]
    rest = np.int32(2048 - weight)
    share = np.int32(weight)
    for i in range(out.size):
        out[i] = ((((above[i] >> 4) * rest) >> 16) + (((below[i] >> 4) * share) >> 16) + 2) >> 2


@njit(**_OPTIONS)
def to_planes(image, tables, channels, out):  # type: ignore[no-untyped-def]
    """uint8 [h, w, 3] -> out float32 [3, H, W] by a table per channel of `out`; 0 below and to the right."""
    height, width = image.shape[:2]
    for k in range(3):
        source, table = channels[k], tables[k]
        for y in range(height):
            for x in range(width):
                out[k, y, x] = table[image[y, x, source]]
            out[k, y, width:] = 0
        out[k, height:] = 0


@njit(**_OPTIONS)
def pick_labels(label, rows, columns, ignore, out):  # type: ignore[no-untyped-def]
    """uint8 [h, w] at `rows` and `columns` -> out int64 [H, W]; `ignore` below and to the right."""
    width = columns.size
    for y in range(rows.size):
        row = label[rows[y]]
        for x in range(width):
            out[y, x] = row[columns[x]]
        out[y, width:] = ignore
    out[rows.size :] = ignore


@njit(**_OPTIONS)
def map_two(image, first, second):  # type: ignore[no-untyped-def]
    """The first two channels of uint8 [h, w, 3] by a table each, in place."""
    for y in range(image.shape[0]):
        row = image[y]
        for x in range(image.shape[1]):
            row[x, 0] = first[row[x, 0]]
            row[x, 1] = second[row[x, 1]]


@njit(inline="always", **_OPTIONS)
def _paeth(left, above, corner):  # type: ignore[no-untyped-def]
    to_left, to_above = above - corner, left - corner
    to_corner = abs(to_left + to_above)
    to_left, to_above = abs(to_left), abs(to_above)
    nearer = above if to_above <= to_corner else corner
    return left if to_left <= min(to_above, to_corner) else nearer


@njit(**_OPTIONS)
def _unfilter_paeth(raw, above, out):  # type: ignore[no-untyped-def]
    """A row of three channels by PNG's filter 4; uint8 [W, 3]."""
    left0 = left1 = left2 = corner0 = corner1 = corner2 = np.int64(0)
    for x in range(out.shape[0]):
        above0, above1, above2 = np.int64(above[x, 0]), np.int64(above[x, 1]), np.int64(above[x, 2])
        left0 = (_paeth(left0, above0, corner0) + raw[x, 0]) & 255
        left1 = (_paeth(left1, above1, corner1) + raw[x, 1]) & 255
        left2 = (_paeth(left2, above2, corner2) + raw[x, 2]) & 255
        out[x, 0], out[x, 1], out[x, 2] = left0, left1, left2
        corner0, corner1, corner2 = above0, above1, above2


@njit(**_OPTIONS)
def _unfilter_row(kind, raw, above, step, out):  # type: ignore[no-untyped-def]
    """A row by PNG's filters 0 to 4; `step` bytes are a pixel."""
    if kind == 0:
        out[:] = raw
    elif kind == 1:
        for c in range(step):
            left = np.uint8(0)
            for i in range(np.uintp(c), np.uintp(out.size), np.uintp(step)):
                left = np.uint8(left + raw[i])
                out[i] = left
    elif kind == 2:
        for i in range(out.size):
            out[i] = raw[i] + above[i]
    elif kind == 3:
        for i in range(step):
            out[i] = raw[i] + (above[i] >> 1)
        for i in range(step, out.size):
            out[i] = raw[i] + ((np.int32(out[i - step]) + np.int32(above[i])) >> 1)
    elif step == 3:
        shape = (out.size // 3, 3)
        _unfilter_paeth(raw.reshape(shape), above.reshape(shape), out.reshape(shape))
    else:
        for i in range(out.size):
            before = np.int32(out[i - step]) if i >= step else np.int32(0)
            corner = np.int32(above[i - step]) if i >= step else np.int32(0)
            out[i] = raw[i] + _paeth(before, np.int32(above[i]), corner)


@njit(**_OPTIONS)
def unfilter(raw, stride, out):  # type: ignore[no-untyped-def]
    """Inflated rows of a PNG of `stride` bytes, the first the filter's number -> out uint8 [H, W, C], the left part of
    each. False: an unknown filter."""
    height, width, step = out.shape
    size = width * step
    above = np.zeros(size, np.uint8)
    for y in range(height):
        start = y * stride
        kind = raw[start]
        if kind > 4:
            return False
        row = out[y].reshape(size)
        _unfilter_row(kind, raw[start + 1 : start + 1 + size], above, step, row)
        above = row
    return True

"""Bilinear resizing of float32 arrays, with and without aligned corners, as PyTorch's `interpolate` samples."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_BLOCK = 64  # rows at a time: what is at work stays in the cache, which is four times as fast as whole planes


def resize_bilinear(array: Array, size: tuple[int, int], align_corners: bool) -> Array:
    """[..., h, w] float32 to [..., H, W], without antialiasing. Returns the array itself if it has that size."""
    if array.shape[-2:] == tuple(size):
        return array
    planes = array.reshape(-1, *array.shape[-2:])
    out = np.empty((len(planes), *size), np.float32)
    for plane, target in zip(planes, out):
        resize_plane(plane, target, align_corners)
    return out.reshape(*array.shape[:-2], *size)


def resize_plane(plane: Array, target: Array, align_corners: bool) -> None:
    """Resize [h, w] into the contiguous `target` [H, W].

    OpenCV's `resize` knows half-pixel centres alone, and its `remap` rounds the weights to 1/32: aligned corners are
    done here, one side after the other.
    """
    height, width = target.shape
    if plane.shape == target.shape:
        target[:] = plane
    elif not align_corners:
        cv2.resize(plane, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
    else:
        wide = np.empty((width, plane.shape[0]), np.float32)  # [W, h]
        _stretch_rows(np.asarray(cv2.transpose(plane), np.float32), wide)
        _stretch_rows(np.asarray(cv2.transpose(wide), np.float32), target)


def stretch_columns(planes: Array, width: int, align_corners: bool) -> Array:
    """[..., h, w] to [..., h, width]."""
    if planes.shape[-1] == width:
        return planes
    rows = planes.reshape(-1, planes.shape[-1])
    wide = np.empty((width, len(rows)), np.float32)
    _stretch_rows(np.ascontiguousarray(rows.T), wide, align_corners)
    return np.ascontiguousarray(wide.T).reshape(*planes.shape[:-1], width)


def places(side: int, length: int, align_corners: bool) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Of each of `length` places: the two of `side` that it lies between, and how far behind the first."""
    if align_corners:
        position = np.arange(length) * ((side - 1) / (length - 1) if length > 1 else 0.0)
    else:
        position = np.maximum((np.arange(length) + 0.5) * (side / length) - 0.5, 0)
    low = np.minimum(position.astype(np.intp), side - 1)
    high = np.minimum(low + 1, side - 1)
    return low, high, np.minimum(position - low, 1).astype(np.float32)


def _stretch_rows(plane: Array, target: Array, align_corners: bool = True) -> None:
    """[h, w] into [H, w]."""
    low, high, share = places(len(plane), len(target), align_corners)
    fraction = share[:, None]
    for top in range(0, len(target), _BLOCK):
        part = slice(top, top + _BLOCK)
        before, after = plane.take(low[part], axis=0), plane.take(high[part], axis=0)
        after -= before
        after *= fraction[part]
        np.add(before, after, out=target[part])

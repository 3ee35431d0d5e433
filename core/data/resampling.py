"""Windows of resized pictures and label maps: only what is kept is computed, and it is what resizing all would give.

A resize is told by what each output position takes along one axis: `Taps`. OpenCV's bilinear resize of uint8 pictures
works with weights of 11 bits, first along rows, then along columns (modules/imgproc/src/resize.cpp, HResizeLinear and
VResizeLinear); the kernels here do the same sums in the same integers.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import math
import sys
import tempfile
from typing import Any, NamedTuple

import cv2
import numpy as np

Size = tuple[int, int]  # height, width
Window = tuple[slice, slice]  # rows, columns

ONE = 2048
"""A weight of 1: OpenCV's 11 bits."""

WORTHWHILE = 1 << 16
"""Pixels of a window from which on loading the compiled kernels pays."""


CHEAPER = 2.2
"""OpenCV's vector code resizes that many times the pixels in the time of the compiled kernel."""


def resize_image(image: np.ndarray, size: Size) -> np.ndarray:
    """Bilinear, half-pixel centres, no anti-aliasing; uint8 or float32 [H, W, 3] -> `size`."""
    if image.shape[:2] == tuple(size):
        return image
    return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def resize_label(label: np.ndarray, size: Size) -> np.ndarray:
    """The nearest pixel by half-pixel centres; uint8 [H, W] -> `size`.

    Written out, because OpenCV's INTER_NEAREST takes the pixel at the upper left corner instead: half a pixel off the
    picture.
    """
    return resize_label_window(label, size, (slice(0, size[0]), slice(0, size[1])))


def resize_label_window(label: np.ndarray, size: Size, window: Window) -> np.ndarray:
    """`resize_label(label, size)[window]`."""
    if label.shape == tuple(size):
        return label[window]
    rows, columns = (nearest(label.shape[axis], size[axis])[window[axis]] for axis in (0, 1))
    return label[rows].take(columns, axis=1)


@functools.lru_cache(maxsize=64)
def nearest(source: int, target: int) -> np.ndarray:
    """int64 [target]: the position each output takes along an axis of `source` pixels."""
    table = (2 * np.arange(target) + 1) * source // (2 * target)
    table.setflags(write=False)
    return table


class Taps(NamedTuple):
    """Along one axis, output i is (first[i] * (ONE - weight[i]) + second[i] * weight[i]) / ONE; uintp and int32."""

    first: np.ndarray
    second: np.ndarray
    weight: np.ndarray

    @property
    def stop(self) -> int:
        """One beyond the last position that counts."""
        return int(self.second[-1]) + 1

    def mirrored(self) -> Taps:
        return Taps(*(part[::-1] for part in self))


def bilinear_taps(source: int, target: int, window: slice) -> Taps:
    """Taps of `window` in an axis resized from `source` to `target` pixels, as OpenCV computes them in float32."""
    step = 1.0 / (target / source)
    place = ((np.arange(window.start, window.stop) + 0.5) * step - 0.5).astype(np.float32)
    below = np.floor(place)
    first, second = (np.clip(below + i, 0, source - 1).astype(np.uintp) for i in (0, 1))
    return Taps(first, second, np.rint((place - below) * ONE).astype(np.int32))


def resize_image_window(
    image: np.ndarray, size: Size, window: Window, flip: bool = False, source: Size | None = None
) -> np.ndarray:
    """`resize_image(image, size)[window]` of a uint8 picture, C-contiguous, mirrored if `flip`.

    image: uint8 [h, w, 3], a picture of the size `source`, or its upper left part as far as `reached` goes.
    Exactly equal with OpenCV's own sums; in builds whose resize rounds otherwise, to one grey level.
    """
    height, width = source or (image.shape[0], image.shape[1])
    rows, columns = (part.stop - part.start for part in window)
    kernels = compiled(rows * columns)
    down, along = _aligned(height, size[0], window[0]), _aligned(width, size[1], window[1])
    whole = down.source.stop <= image.shape[0] and along.source.stop <= image.shape[1]
    cheap = whole and down.target * along.target <= CHEAPER * rows * columns
    if kernels is None or (height, width) == tuple(size) or cheap:
        if not whole:  # what is missing counts for nothing
            enlarged = np.zeros((down.source.stop, along.source.stop, 3), np.uint8)
            taken = image[: down.source.stop, : along.source.stop]
            enlarged[: taken.shape[0], : taken.shape[1]] = taken
            image = enlarged
        out = resize_image(image[down.source, along.source], (down.target, along.target))[down.inside, along.inside]
        return np.ascontiguousarray(out[:, ::-1] if flip else out)
    taps = bilinear_taps(width, size[1], window[1])
    out = np.empty((rows, columns, 3), np.uint8)
    kernels.resize(
        image, tuple(bilinear_taps(height, size[0], window[0])), tuple(taps.mirrored() if flip else taps), out
    )
    return out


def reached(extent: int, target: int, window: slice) -> int:
    """How much of an axis of `extent` pixels, from the first on, `window` of its resize to `target` pixels needs."""
    return window.stop if extent == target else bilinear_taps(extent, target, window).stop


class _Aligned(NamedTuple):
    """A part of an axis that resizes to `target` pixels as it does within the whole; the window is `inside` those."""

    source: slice
    target: int
    inside: slice


def _aligned(source: int, target: int, window: slice) -> _Aligned:
    period = math.gcd(source, target)  # that many equal parts have their pixels' edges at the same places
    span, step = source // period, target // period
    first = max(window.start // step - 1, 0)
    last = min(-(-window.stop // step) + 1, period)
    return _Aligned(
        slice(first * span, last * span),
        (last - first) * step,
        slice(window.start - first * step, window.stop - first * step),
    )


def compiled(pixels: int) -> Any:
    """The module `core.data.kernels` where numba is installed and `pixels` are worth loading it; else None."""
    return _kernels() if pixels >= WORTHWHILE and _has_numba() else None


@functools.cache
def _has_numba() -> bool:
    return importlib.util.find_spec("numba") is not None


@functools.cache
def _kernels() -> Any:
    """The compiled kernels; None, said once, where numba does not run here."""
    try:
        import numba

        try:
            return importlib.import_module("core.data.kernels")
        except RuntimeError:  # neither the package's folder nor the user's cache can be written to
            numba.config.CACHE_DIR = tempfile.mkdtemp(prefix="segparity-numba-")
            return importlib.import_module("core.data.kernels")
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        print(f"WARNING: numba does not run here ({reason}): the data pipeline takes its slower way", file=sys.stderr)
        return None

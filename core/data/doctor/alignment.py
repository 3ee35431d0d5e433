"""Whether a label map lies on its picture: the borders of classes are where the picture has edges."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_SIDE = 192  # of the reduced picture, pixels
_REACH = 0.15  # the largest shift looked for, as a share of the side

TURNS = ("mirrored left to right", "upside down", "turned by 180 degrees")


@dataclass(frozen=True)
class Fit:
    """`plain`: how much stronger edges are on the borders than elsewhere; `turned`: the same with the label map turned
    as `TURNS` says; `shift`: rows and columns, as shares of the sides, by which the label map lies best on the picture;
    `shifted`: the strength there."""

    plain: float
    turned: tuple[float, float, float]
    shift: tuple[float, float]
    shifted: float


def fit_of(image: np.ndarray, label: np.ndarray) -> Fit | None:
    """Of a picture uint8 [H, W, 3] and class numbers uint8 [H, W]; None where sizes differ or one has no edges."""
    if image.shape[:2] != label.shape or min(label.shape) < 16:
        return None
    scale = min(1.0, _SIDE / max(label.shape))
    size = (max(16, round(label.shape[1] * scale)), max(16, round(label.shape[0] * scale)))
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA).astype(np.float32)
    small = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST).astype(np.int16)
    edges = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    edges = np.minimum(edges, np.percentile(edges, 95) + 1e-3)
    changes = np.zeros(small.shape, bool)
    changes[:, 1:] |= small[:, 1:] != small[:, :-1]
    changes[1:] |= small[1:] != small[:-1]
    border = cv2.GaussianBlur(changes.astype(np.float32), (0, 0), 1.0)
    if edges.std() < 1 or border.sum() < 16:
        return None
    edges = (edges - edges.mean()) / edges.std()
    turned = tuple(_strength(edges, turn) for turn in (border[:, ::-1], border[::-1], border[::-1, ::-1]))
    shift, shifted = _best_shift(edges, border)
    return Fit(_strength(edges, border), (turned[0], turned[1], turned[2]), shift, shifted)


def _strength(edges: np.ndarray, border: np.ndarray) -> float:
    return float((edges * border).sum() / border.sum())


def _best_shift(edges: np.ndarray, border: np.ndarray) -> tuple[tuple[float, float], float]:
    """The shift of the label map with the strongest edges under its borders."""
    correlation = np.fft.irfft2(np.fft.rfft2(edges) * np.conj(np.fft.rfft2(border)), edges.shape)
    rows, columns = (max(2, int(_REACH * side)) for side in edges.shape)
    allowed = np.full(edges.shape, -np.inf)
    for down in (slice(0, rows + 1), slice(-rows, None)):
        for right in (slice(0, columns + 1), slice(-columns, None)):
            allowed[down, right] = correlation[down, right]
    row, column = np.unravel_index(int(allowed.argmax()), edges.shape)
    signed = [int(v) - side if v > side // 2 else int(v) for v, side in zip((row, column), edges.shape)]
    return (signed[0] / edges.shape[0], signed[1] / edges.shape[1]), float(allowed.max() / border.sum())

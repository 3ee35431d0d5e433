"""Pictures of label maps: coloured, laid over the photograph, side by side with names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from core.data.datasets.images import colorize
from core.files import write_bytes

_ROWS = 256  # blended at a time: the sums are float64, eight times as large as a huge picture


def overlay(image: np.ndarray, label: np.ndarray, palette: np.ndarray, alpha: float = 0.5) -> np.ndarray:
    """uint8 [H, W, 3] RGB: the picture, blended with the label map's colours; ignored pixels show the picture alone."""
    out = np.empty_like(image)
    for top in range(0, len(image), _ROWS):
        part = slice(top, top + _ROWS)
        colours = colorize(label[part], palette)
        blended = np.rint(image[part] * (1 - alpha) + colours * alpha).astype(np.uint8)
        out[part] = np.where((label[part] == 255)[..., None], image[part], blended)
    return out


def side_by_side(pictures: Sequence[np.ndarray], names: Sequence[str], gap: int = 4) -> np.ndarray:
    """uint8 [H + caption, W, 3]: pictures of one height in a row, each under its name."""
    height, caption = pictures[0].shape[0], 22
    columns = []
    for picture, name in zip(pictures, names):
        column = np.full((height + caption, picture.shape[1], 3), 255, np.uint8)
        cv2.putText(column, name, (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA)
        column[caption:] = picture
        columns += [column, np.full((height + caption, gap, 3), 255, np.uint8)]
    return np.concatenate(columns[:-1], axis=1)


def confusion_picture(matrix: np.ndarray, classes: Sequence[str], cell: int = 26) -> np.ndarray:
    """uint8 [H, W, 3]: counts [classes, outputs] as shares of each row (the truth), white to dark blue."""
    margin = 9 * max(map(len, classes), default=0) + 8
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    picture = np.full((shares.shape[0] * cell + 6, margin + shares.shape[1] * cell + 6, 3), 255, np.uint8)
    for row, name in enumerate(classes):
        cv2.putText(picture, name, (4, row * cell + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (30, 30, 30), 1, cv2.LINE_AA)
        for column, share in enumerate(shares[row]):
            left, top, colour = (
                margin + column * cell,
                row * cell,
                [255 - 235 * share, 255 - 180 * share, 255 - 80 * share],
            )
            picture[top : top + cell - 1, left : left + cell - 1] = colour
            if share >= 0.005:
                ink = (255, 255, 255) if share > 0.5 else (60, 60, 60)
                place = (left + 3, top + 17)
                cv2.putText(picture, f"{100 * share:.0f}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, ink, 1, cv2.LINE_AA)
    return picture


def write_png(path: str | Path, picture: np.ndarray) -> None:
    """Writes uint8 RGB [H, W, 3] or labels [H, W]. Raises OutputError if the place cannot be written.

    Encoded in memory: OpenCV's own writer says nothing of a full disk, and dies of a name that is not UTF-8.
    """
    pixels = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    _, data = cv2.imencode(".png", pixels)
    write_bytes(Path(path), data.tobytes())

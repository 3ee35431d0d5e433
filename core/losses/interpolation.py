"""Bilinear interpolation as a matrix: the definition that resizing in losses is tested against."""

from __future__ import annotations

import numpy as np

from core.losses.pixels import Array


def interpolation_matrix(source: int, target: int, align_corners: bool) -> Array:
    """[target, source]: bilinear interpolation along one side, as PyTorch's `interpolate` samples it.

    align_corners: sample i lies at i * (source - 1) / (target - 1) (at 0 where target is 1); else at
    (i + 0.5) * source / target - 0.5, not below 0.
    """
    i = np.arange(target, dtype=np.float64)
    if align_corners:
        position = i * ((source - 1) / (target - 1)) if target > 1 else np.zeros(1)
    else:
        position = np.maximum((i + 0.5) * (source / target) - 0.5, 0.0)
    low = np.minimum(position.astype(np.int64), source - 1)
    high = np.minimum(low + 1, source - 1)
    fraction = position - low
    matrix = np.zeros((target, source))
    np.add.at(matrix, (np.arange(target), low), 1.0 - fraction)
    np.add.at(matrix, (np.arange(target), high), fraction)
    return matrix

"""Tiles of noise that repeat without a seam, made once per process from a fixed seed."""

from functools import lru_cache

import cv2
import numpy as np

TILE = 256  # pixels, a power of two


@lru_cache(maxsize=1)
def grain() -> np.ndarray:
    """White noise with mean 0 and values in about ±1: float32 [TILE, TILE]."""
    rng = np.random.Generator(np.random.PCG64(1))
    return (rng.random((TILE, TILE)) + rng.random((TILE, TILE)) - 1.0).astype(np.float32)


@lru_cache(maxsize=1)
def clouds() -> np.ndarray:
    """Noise with detail at every scale, values 0..1: float32 [TILE, TILE]."""
    rng = np.random.Generator(np.random.PCG64(2))
    total = np.zeros((TILE, TILE), np.float32)
    for octave in range(2, 8):
        cells = 1 << octave
        lattice = rng.random((cells, cells)).astype(np.float32)
        wrapped = np.pad(lattice, 2, mode="wrap")
        step = TILE // cells
        large = cv2.resize(wrapped, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += large[2 * step : 2 * step + TILE, 2 * step : 2 * step + TILE] * 0.55 ** (octave - 2)
    order = np.argsort(total.ravel(), kind="stable")
    ranks = np.empty(total.size, np.float32)
    ranks[order] = np.arange(total.size, dtype=np.float32) / total.size  # equalised: the share below t is t
    return ranks.reshape(total.shape)

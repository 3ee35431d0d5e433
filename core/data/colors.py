"""Changes of a picture's colours and sharpness, on uint8 [H, W, 3] (RGB).

Everything drawn is drawn in any case, so that one setting does not change what another draws.
"""

from __future__ import annotations

import cv2
import numpy as np

from core.data.resampling import compiled


def jitter_colors(
    image: np.ndarray,
    rng: np.random.Generator,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    hue: float = 0.0,
    probability: float = 0.5,
) -> np.ndarray:
    """The photometric distortion of SSD (Liu et al., ECCV 2016, section 2.2), each part with `probability`.

    Args:
        image: uint8 [H, W, 3], RGB.
        brightness: the largest shift, as a share of the range 0..255 (SSD: 0.125).
        contrast, saturation: the factor is drawn from 1 ± this (SSD: 0.5).
        hue: the largest turn, as a share of the full circle (SSD: 0.1).

    Contrast comes before or after saturation and hue with even odds, as in the paper's implementation. Nine numbers are
    drawn in any case, so that one part's setting does not change what another draws.
    """
    u = rng.random(9)
    on = u[:5] < probability
    offset = (2 * u[5] - 1) * brightness * 255 if on[0] else 0.0
    factor = 1 + (2 * u[6] - 1) * contrast if on[1] else 1.0
    ramp = np.arange(256) + offset
    if u[4] < 0.5:
        image = _map_values(image, ramp * factor)
        return _shift_hue_saturation(image, u, on, saturation, hue)
    image = _map_values(image, ramp)
    image = _shift_hue_saturation(image, u, on, saturation, hue)
    return _map_values(image, np.arange(256) * factor)


def _shift_hue_saturation(
    image: np.ndarray, u: np.ndarray, on: np.ndarray, saturation: float, hue: float
) -> np.ndarray:
    factor = 1 + (2 * u[7] - 1) * saturation if on[2] else 1.0
    turn = round((2 * u[8] - 1) * hue * 180) if on[3] else 0  # OpenCV counts hue in steps of 2 degrees
    if factor == 1.0 and turn == 0:
        return image
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hues = ((np.arange(256) + turn) % 180).astype(np.uint8)
    saturations = np.clip(np.rint(np.arange(256) * factor), 0, 255).astype(np.uint8)
    kernels = compiled(image.shape[0] * image.shape[1])
    if kernels is not None:
        kernels.map_two(hsv, hues, saturations)
    else:
        hsv = cv2.LUT(hsv, np.stack([hues, saturations, np.arange(256, dtype=np.uint8)], axis=-1)[None])
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def _map_values(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Replace each of the 256 values, rounded and clipped to uint8."""
    if np.array_equal(values, np.arange(256)):
        return image
    return cv2.LUT(image, np.clip(np.rint(values), 0, 255).astype(np.uint8))


def blur_image(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur with a deviation of `sigma` pixels; borders reflect."""
    if sigma <= 0:
        return image
    return cv2.GaussianBlur(image, (0, 0), sigmaX=sigma, sigmaY=sigma, borderType=cv2.BORDER_REFLECT_101)


def enhance_colors(image: np.ndarray, rng: np.random.Generator, amount: float, probability: float = 0.3) -> np.ndarray:
    """Brightness, colour, contrast and sharpness, one after the other, each by a factor from 1 ± `amount`.

    Each with `probability`: the picture moves away from, or towards, black; its own grey; its mean grey; its smoothed
    self (the 3x3 mean in which the pixel counts five times). These are SemSegPaddle's.
    """
    u = rng.random(8)
    factors = [1 + (2 * value - 1) * amount if on < probability else 1.0 for on, value in zip(u[::2], u[1::2])]
    brightness, color, contrast, sharpness = factors
    image = _map_values(image, np.arange(256) * brightness)
    if color != 1:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        image = cv2.addWeighted(image, color, grey, 1 - color, 0)
    if contrast != 1:
        mean = np.rint(cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0])
        image = _map_values(image, mean + (np.arange(256) - mean) * contrast)
    if sharpness != 1:
        kernel = np.ones((3, 3), np.float32)
        kernel[1, 1] = 5
        smooth = cv2.filter2D(image, -1, kernel / 13, borderType=cv2.BORDER_REFLECT_101)
        image = cv2.addWeighted(image, sharpness, smooth, 1 - sharpness, 0)
    return image

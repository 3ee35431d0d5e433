"""Times of day and weathers, as light."""

import numpy as np

from core.data.datasets.roadscape.drawing.canvas import Light
from core.data.datasets.roadscape.drawing.dice import Dice


def draw_light(dice: Dice) -> Light:
    """A time of day and a weather."""
    kind = dice.pick(("noon", "noon", "day", "day", "golden", "overcast", "overcast", "dusk", "mist"))
    low, high = {
        "noon": (50, 70),
        "day": (25, 48),
        "golden": (7, 15),
        "overcast": (40, 60),
        "dusk": (3, 6),
        "mist": (20, 40),
    }[str(kind)]
    elevation = np.deg2rad(dice.between(low, high))
    azimuth = dice.between(-np.pi, np.pi)
    if kind in ("golden", "dusk"):
        azimuth *= 0.35  # the sunset is worth seeing
    sun = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    sun_color, ambient, top, low_sky, haze, shadow, clouds, lamps = {
        "noon": ((0.62, 0.58, 0.50), (0.52, 0.55, 0.62), (62, 118, 196), (186, 212, 234), 230, 0.8, (0.2, 0.6), 0.0),
        "day": ((0.74, 0.66, 0.52), (0.48, 0.51, 0.58), (76, 128, 198), (204, 216, 226), 200, 0.8, (0.1, 0.6), 0.0),
        "golden": (
            (0.95, 0.62, 0.32),
            (0.46, 0.44, 0.50),
            (88, 116, 172),
            (252, 198, 134),
            140,
            0.85,
            (0.15, 0.55),
            0.25,
        ),
        "overcast": (
            (0.06, 0.06, 0.06),
            (0.80, 0.82, 0.85),
            (168, 178, 190),
            (212, 216, 220),
            130,
            0.5,
            (0.7, 0.95),
            0.05,
        ),
        "dusk": ((0.42, 0.22, 0.16), (0.34, 0.35, 0.47), (40, 52, 104), (226, 142, 108), 150, 0.5, (0.2, 0.5), 0.8),
        "mist": ((0.20, 0.19, 0.17), (0.70, 0.72, 0.74), (188, 196, 204), (218, 221, 222), 55, 0.4, (0.5, 0.8), 0.2),
    }[str(kind)]
    tint = 1 + 0.06 * (2 * dice.rng.random(3) - 1)
    return Light(
        sun,
        np.array(sun_color) * dice.between(0.85, 1.15),
        np.array(ambient) * dice.between(0.9, 1.1) * tint,
        np.array(top, float) * dice.between(0.9, 1.1),
        np.array(low_sky, float) * tint,
        haze * dice.between(0.75, 1.3),
        shadow,
        dice.between(*clouds),
        lamps,
    )

"""Random choices whose stream numpy keeps from version to version."""

from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Dice:
    """Random choices from the one function whose stream numpy keeps: `Generator.random`."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(self.rng.random())

    def chance(self, probability: float) -> bool:
        return float(self.rng.random()) < probability

    def pick(self, options: tuple[T, ...]) -> T:
        return options[int(self.rng.random() * len(options))]

    def color(self, options: tuple[tuple[int, int, int], ...], spread: float = 0.12) -> np.ndarray:
        """One of the colours, a little lighter or darker and off its hue."""
        base = np.array(self.pick(options), float)
        return np.clip(
            base * (1 + spread * (2 * self.rng.random() - 1) + spread / 3 * (2 * self.rng.random(3) - 1)), 0, 255
        )

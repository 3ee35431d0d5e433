"""How each framework computes by itself, without this project's layers: snippets that run in its worker.

One module per framework, the same names in each; arrays in, arrays out are numpy. The tests of
parity_tests/test_framework_differences.py assert what docs/framework_differences.md says of them.
"""

from __future__ import annotations

import numpy as np

SHARE = 0.25  # given to batch norm as `momentum`


def ramp(*shape: int) -> np.ndarray:
    """0, 1, 2, … as float64."""
    return np.arange(np.prod(shape), dtype=np.float64).reshape(shape)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


# Batch norm's sums in float32: 2^20 values of mean 1 and variance 1 for one channel.
MANY = noise(2, 1, 1024, 512).astype(np.float32) + np.float32(1)

# The optimizers' test: one weight, gradients and a changing learning rate.
START = np.array([1.0, -2.0, 0.5])
GRADIENTS = [np.array([0.5, -0.1, 1e-9]), np.array([0.1, 0.3, -2e-9]), np.array([-0.4, 0.2, 1e-9])]
RATES = [0.1, 0.01, 0.05]

# A row of 50 places whose steps are 3 and 1 in turn, twice below itself, and the share of the sides of each place.
STAIRS = np.tile(np.cumsum(np.where(np.arange(50) % 2, 3.0, 1.0)), (1, 1, 2, 1))
PLACES = np.stack(np.meshgrid(np.linspace(-1, 1, 50), [-1.0, 1.0]), axis=2)[None]  # [1, 2, 50, 2], across first

"""The reference losses: values by hand, gradients by finite differences."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from core.errors import ConfigError, DataError
from core.losses import cross_entropy, interpolation_matrix, ohem_cross_entropy, total_loss

WEIGHTS = (0.5, 2.0, 1.0, 1.5)


def sample(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, (2, 3, 5))
    labels[rng.random(labels.shape) < 0.3] = 255
    return rng.normal(0, 2, (2, 4, 3, 5)), labels


def numeric_gradient(value: Callable[[np.ndarray], float], x: np.ndarray, step: float = 1e-5) -> np.ndarray:
    gradient = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        moved = x.copy()
        moved[index] += step
        above = value(moved)
        moved[index] -= 2 * step
        gradient[index] = (above - value(moved)) / (2 * step)
    return gradient


LOSSES = [
    partial(cross_entropy),
    partial(cross_entropy, denominator="all"),
    partial(cross_entropy, class_weights=WEIGHTS),
    partial(cross_entropy, class_weights=WEIGHTS, denominator="all"),
    partial(ohem_cross_entropy, threshold=0.3, min_kept=5),
    partial(ohem_cross_entropy, threshold=0.05, min_kept=9),
    partial(ohem_cross_entropy, threshold=0.7, min_kept=0, class_weights=WEIGHTS),
    partial(ohem_cross_entropy, threshold=0.0, min_kept=1000),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: f"{loss.func.__name__}-{loss.keywords}")
def test_gradient(loss: Callable[..., tuple[float, np.ndarray]]) -> None:
    logits, labels = sample()
    value, gradient = loss(logits, labels)
    assert value > 0
    assert gradient.dtype == np.float64
    np.testing.assert_allclose(gradient, numeric_gradient(lambda x: loss(x, labels)[0], logits), atol=1e-9)
    assert not gradient.transpose(0, 2, 3, 1)[labels == 255].any()


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: f"{loss.func.__name__}-{loss.keywords}")
def test_all_pixels_ignored(loss: Callable[..., tuple[float, np.ndarray]]) -> None:
    logits, labels = sample()
    value, gradient = loss(logits, np.full_like(labels, 255))
    assert value == 0.0
    np.testing.assert_array_equal(gradient, np.zeros_like(logits))


def per_pixel(logits: np.ndarray, labels: np.ndarray) -> list[tuple[int, float]]:
    """(class, loss) of every labelled pixel."""
    pixels = []
    for n, row, column in np.argwhere(labels != 255):
        z, y = logits[n, :, row, column], labels[n, row, column]
        pixels.append((int(y), float(np.log(np.sum(np.exp(z))) - z[y])))
    return pixels


def test_cross_entropy_values() -> None:
    logits, labels = sample()
    pixels = per_pixel(logits, labels)
    total = sum(loss for _, loss in pixels)
    weighted = sum(WEIGHTS[y] * loss for y, loss in pixels)
    weight = sum(WEIGHTS[y] for y, _ in pixels)
    assert 0 < len(pixels) < labels.size
    assert cross_entropy(logits, labels)[0] == pytest.approx(total / len(pixels))
    assert cross_entropy(logits, labels, denominator="all")[0] == pytest.approx(total / labels.size)
    assert cross_entropy(logits, labels, class_weights=WEIGHTS)[0] == pytest.approx(weighted / weight)
    all_pixels = cross_entropy(logits, labels, class_weights=WEIGHTS, denominator="all")[0]
    assert all_pixels == pytest.approx(weighted / labels.size)


@pytest.mark.parametrize(("threshold", "min_kept"), [(0.0, 4), (0.5, 4), (0.9, 1), (0.2, 0), (0.0, 10_000)])
def test_ohem_keeps_the_hard_pixels(threshold: float, min_kept: int) -> None:
    logits, labels = sample(3)
    losses = sorted((loss for _, loss in per_pixel(logits, labels)), reverse=True)  # hardest first
    below = sum(np.exp(-loss) <= threshold for loss in losses)
    kept = losses[: max(below, min(min_kept, len(losses)))]
    expected = np.mean(kept) if kept else 0.0
    value, gradient = ohem_cross_entropy(logits, labels, threshold=threshold, min_kept=min_kept)
    assert value == pytest.approx(expected)
    assert np.count_nonzero(gradient.any(axis=1)) == len(kept)


def test_ohem_keeps_equally_hard_pixels_together_and_may_keep_none() -> None:
    labels = np.zeros((1, 1, 4), np.int64)
    logits = np.zeros((1, 2, 1, 4))
    logits[0, 0, 0, 3] = 5.0
    _, gradient = ohem_cross_entropy(logits, labels, threshold=0.1, min_kept=2)
    assert np.count_nonzero(gradient.any(axis=1)) == 3  # three pixels share the second smallest probability
    value, gradient = ohem_cross_entropy(logits, labels, threshold=0.1, min_kept=0)
    assert value == 0.0
    assert not gradient.any()


def test_large_logits_do_not_overflow() -> None:
    logits = np.array([[1e4, -1e4]]).reshape(1, 2, 1, 1)
    value, gradient = cross_entropy(logits, np.ones((1, 1, 1), np.int64))
    assert value == 2e4
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("align_corners", [False, True])
def test_total_loss_sums_heads_at_their_own_resolutions(align_corners: bool) -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, (2, 6, 8))
    labels[:, 0] = 255
    outputs = [rng.normal(size=(2, 3, 6, 8)), rng.normal(size=(2, 3, 3, 4)), rng.normal(size=(2, 3, 2, 1))]
    losses = [partial(ohem_cross_entropy, min_kept=10), cross_entropy, cross_entropy]
    value, gradients = total_loss(outputs, labels, losses, (1.0, 0.4, 0.25), align_corners)
    assert value > losses[0](outputs[0], labels)[0]
    for k, gradient in enumerate(gradients):
        assert gradient.shape == outputs[k].shape

        def moved(x: np.ndarray, k: int = k) -> float:
            return total_loss([*outputs[:k], x, *outputs[k + 1 :]], labels, losses, (1.0, 0.4, 0.25), align_corners)[0]

        np.testing.assert_allclose(gradient, numeric_gradient(moved, outputs[k]), atol=1e-9)


def test_interpolation_matrices() -> None:
    np.testing.assert_allclose(interpolation_matrix(2, 3, True), [[1, 0], [0.5, 0.5], [0, 1]])
    np.testing.assert_allclose(interpolation_matrix(2, 4, False), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    np.testing.assert_allclose(interpolation_matrix(4, 2, False), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    np.testing.assert_allclose(interpolation_matrix(3, 1, True), [[1, 0, 0]])
    for align_corners in (False, True):
        np.testing.assert_array_equal(interpolation_matrix(5, 5, align_corners), np.eye(5))
        np.testing.assert_allclose(interpolation_matrix(7, 12, align_corners).sum(axis=1), 1)


def test_bad_arguments_are_refused() -> None:
    logits, labels = sample()
    with pytest.raises(DataError, match=r"\[4\]"):
        cross_entropy(logits, np.where(labels == 255, 4, labels))
    with pytest.raises(DataError, match="do not fit"):
        cross_entropy(logits, labels[:1])
    with pytest.raises(ConfigError, match="3 class weights"):
        cross_entropy(logits, labels, class_weights=WEIGHTS[:3])
    with pytest.raises(ConfigError, match="denominator"):
        cross_entropy(logits, labels, denominator="mean")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="OHEM"):
        ohem_cross_entropy(logits, labels, threshold=1.5)
    with pytest.raises(ConfigError, match="2 outputs"):
        total_loss([logits, logits], labels, [cross_entropy], [1.0], True)

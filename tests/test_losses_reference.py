"""The reference losses: values by hand, gradients by finite differences."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.errors import ConfigError, DataError
from core.losses import (
    OHEM,
    Bootstrapped,
    BoundaryCrossEntropy,
    Cost,
    CrossEntropy,
    Dice,
    Focal,
    LovaszSoftmax,
    MixedSoftmax,
    NegativeLogLikelihood,
    Objective,
    Term,
    interpolation_matrix,
    plan_blocks,
)

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


TERMS: list[Term] = [
    CrossEntropy(),
    CrossEntropy(denominator="all"),
    CrossEntropy(class_weights=WEIGHTS),
    CrossEntropy(class_weights=WEIGHTS, denominator="all"),
    CrossEntropy(class_weights=WEIGHTS, denominator="labelled"),
    CrossEntropy(smoothing=0.2),
    CrossEntropy(smoothing=0.3, class_weights=WEIGHTS),
    NegativeLogLikelihood(class_weights=WEIGHTS),
    OHEM(threshold=0.3, min_kept=5),
    OHEM(threshold=0.05, min_kept=9),
    OHEM(threshold=0.7, min_kept=0, class_weights=WEIGHTS),
    OHEM(threshold=0.0, min_kept=1000),
    OHEM(threshold=0.05, min_kept=9, form="paddleseg"),
    OHEM(threshold=0.05, min_kept=4, form="mmseg", denominator="all", class_weights=WEIGHTS),
    Bootstrapped(threshold=0.5, min_kept=4),
    Bootstrapped(threshold=50.0, min_kept=4, class_weights=WEIGHTS),
    Focal(),
    Focal(gamma=0.0),
    Focal(gamma=1.0, class_weights=WEIGHTS, denominator="all"),
    Dice(),
    Dice(power=1, average="classes", smooth=0.1),
    LovaszSoftmax(),
    LovaszSoftmax(classes="all", per_picture=True),
    BoundaryCrossEntropy(),
    BoundaryCrossEntropy(balance="frequency"),
]
every_term = pytest.mark.parametrize("term", TERMS, ids=repr)


def inputs(term: Term, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits and target that the term takes."""
    logits, labels = sample(seed)
    if isinstance(term, BoundaryCrossEntropy):  # among so few pixels all would be boundaries
        return logits[:, :1], np.where(labels == 255, 255, labels % 2)
    return logits, labels


@every_term
def test_gradient(term: Term) -> None:
    logits, target = inputs(term)
    value, gradient = term(logits, target)
    assert abs(value) > 0.01
    assert gradient.dtype == np.float64
    np.testing.assert_allclose(gradient, numeric_gradient(lambda x: term(x, target)[0], logits), atol=1e-9)
    assert not gradient.transpose(0, 2, 3, 1)[target == 255].any()


@every_term
def test_all_pixels_ignored(term: Term) -> None:
    logits, target = inputs(term)
    value, gradient = term(logits, np.full_like(target, 255))
    assert value == 0.0
    np.testing.assert_array_equal(gradient, np.zeros_like(logits))


@every_term
def test_large_logits_do_not_overflow(term: Term) -> None:
    logits, target = inputs(term)
    value, gradient = term(logits * 1e4, target)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@every_term
def test_parts_of_a_batch(term: Term) -> None:
    """Sums over pixels, and mined ones, make the whole batch's value; regions, and what is mined by devices, are each
    part's own, and averaged."""
    logits, labels = sample(1)
    labels[:, :, :3] = 1
    labels[1] = np.where(
        np.arange(15).reshape(3, 5) < 9, 255, labels[1]
    )  # the parts have other shares of labelled pixels
    logits = logits[:, :1] if isinstance(term, BoundaryCrossEntropy) else logits
    objective = Objective([Cost(0, term)], [labels[:1], labels[1:]], align_corners=True)
    objective.look([[logits[:1]], [logits[1:]]])
    parts = [objective([logits[part : part + 1]], part) for part in (0, 1)]
    value = sum(values[0] for values, _ in parts)
    gradient = term.weight * np.concatenate([gradients[0] for _, gradients in parts])
    if isinstance(term, Dice | LovaszSoftmax) or getattr(term, "over", "batch") == "device":
        alone = [term(logits[part : part + 1], labels[part : part + 1]) for part in (0, 1)]
        assert value == pytest.approx(sum(v for v, _ in alone) / 2, rel=1e-12)
        np.testing.assert_allclose(gradient, np.concatenate([g for _, g in alone]) / 2, atol=1e-15)
    else:
        whole, slope = term(logits, term.target(labels))
        assert value == pytest.approx(whole, rel=1e-12)
        np.testing.assert_allclose(gradient, slope, atol=1e-15)


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

    def value(**settings: Any) -> float:
        return CrossEntropy(**settings)(logits, labels)[0]

    assert value() == pytest.approx(total / len(pixels))
    assert value(denominator="all") == pytest.approx(total / labels.size)
    assert value(class_weights=WEIGHTS) == pytest.approx(weighted / weight)
    assert value(class_weights=WEIGHTS, denominator="all") == pytest.approx(weighted / labels.size)
    assert value(class_weights=WEIGHTS, denominator="labelled") == pytest.approx(weighted / len(pixels))


def test_cross_entropy_of_large_logits() -> None:
    logits = np.array([[1e4, -1e4]]).reshape(1, 2, 1, 1)
    assert CrossEntropy()(logits, np.ones((1, 1, 1), np.int64))[0] == 2e4


def test_nll_of_log_probabilities_is_the_cross_entropy() -> None:
    logits, labels = sample()
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert NegativeLogLikelihood()(log_p, labels)[0] == pytest.approx(CrossEntropy()(logits, labels)[0], rel=1e-12)


def test_mixed_softmax_has_another_gradient_than_its_value() -> None:
    logits, labels = sample()
    mean_over_all, mean = CrossEntropy(denominator="all")(logits, labels), CrossEntropy()(logits, labels)
    value, gradient = MixedSoftmax()(logits, labels)
    assert value == pytest.approx(mean_over_all[0])
    np.testing.assert_allclose(gradient, mean[1], atol=1e-15)
    _, gradient = MixedSoftmax(divided_by_batch=True)(logits, labels)
    np.testing.assert_allclose(gradient, mean[1] / 2, atol=1e-15)
    objective = Objective([Cost(0, MixedSoftmax(weight=0.4))], [labels], align_corners=True)
    values, gradients = objective([logits])
    assert objective.total(values) == pytest.approx(0.4 * value)  # the weight is reported,
    np.testing.assert_allclose(gradients[0], mean[1], atol=1e-15)  # and not learned from
    assert MixedSoftmax()(logits, np.full_like(labels, 255))[0] == 0.0


@pytest.mark.parametrize(("threshold", "min_kept"), [(0.0, 4), (0.5, 4), (0.9, 1), (0.2, 0), (0.0, 10_000)])
@pytest.mark.parametrize("form", ["gald_net", "paddleseg", "mmseg"])
def test_ohem_keeps_the_hard_pixels(threshold: float, min_kept: int, form: Any) -> None:
    logits, labels = sample(3)
    losses = sorted((loss for _, loss in per_pixel(logits, labels)), reverse=True)  # hardest first
    below = sum(np.exp(-loss) <= threshold for loss in losses)
    count = min_kept
    if form == "paddleseg" and 0 < min_kept < len(losses):
        count -= 1  # the last of them is at the limit, not below it
    elif form == "mmseg":
        count = min(2 * min_kept, len(losses) - 1)  # of each picture, and never the easiest
    kept = losses[: max(below, min(count, len(losses)))]
    value, gradient = OHEM(threshold=threshold, min_kept=min_kept, form=form)(logits, labels)
    assert value == pytest.approx(np.mean(kept) if kept else 0.0)
    assert np.count_nonzero(gradient.any(axis=1)) == len(kept)
    over_all, _ = OHEM(threshold=threshold, min_kept=min_kept, form=form, denominator="all")(logits, labels)
    assert over_all == pytest.approx(sum(kept) / labels.size)


def test_ohem_keeps_equally_hard_pixels_together_and_may_keep_none() -> None:
    labels = np.zeros((1, 1, 4), np.int64)
    logits = np.zeros((1, 2, 1, 4))
    logits[0, 0, 0, 3] = 5.0
    _, gradient = OHEM(threshold=0.1, min_kept=2)(logits, labels)
    assert np.count_nonzero(gradient.any(axis=1)) == 3  # three pixels share the second smallest probability
    value, gradient = OHEM(threshold=0.1, min_kept=0)(logits, labels)
    assert value == 0.0
    assert not gradient.any()


@pytest.mark.parametrize(("threshold", "min_kept"), [(0.0, 4), (1.5, 4), (1.5, 10_000), (0.1, 1), (99.0, 3)])
def test_bootstrapped_keeps_the_hard_pixels(threshold: float, min_kept: int) -> None:
    logits, labels = sample(3)
    losses = sorted((loss for _, loss in per_pixel(logits, labels)), reverse=True)
    above = [loss for loss in losses if loss > threshold]
    kept = above if len(above) > min_kept else losses[:min_kept]
    value, gradient = Bootstrapped(threshold=threshold, min_kept=min_kept)(logits, labels)
    assert value == pytest.approx(np.mean(kept))
    assert np.count_nonzero(gradient.any(axis=1)) == len(kept)


def test_focal_of_gamma_0_is_the_cross_entropy() -> None:
    logits, labels = sample()
    for weights in (None, WEIGHTS):
        value, gradient = Focal(gamma=0.0, class_weights=weights)(logits, labels)
        expected, slope = CrossEntropy(class_weights=weights)(logits, labels)
        assert value == pytest.approx(expected)
        np.testing.assert_allclose(gradient, slope, atol=1e-15)
    pixels = per_pixel(logits, labels)
    by_hand = sum((1 - np.exp(-loss)) ** 2 * loss for _, loss in pixels) / len(pixels)
    assert Focal()(logits, labels)[0] == pytest.approx(by_hand)


def test_dice_values() -> None:
    labels = np.array([[[0, 1, 255]]])
    certain = np.full((1, 2, 1, 3), -50.0)
    certain[0, 0, 0, 0] = certain[0, 1, 0, 1] = certain[0, 0, 0, 2] = 50.0
    assert Dice()(certain, labels)[0] == pytest.approx(0, abs=1e-12)
    assert Dice()(-certain, labels)[0] == pytest.approx(1 - 1 / 5)  # nothing in common, 2 + 2 + smooth
    assert Dice()(np.zeros_like(certain), labels)[0] == pytest.approx(1 - (2 * 1 + 1) / (4 * 0.25 + 2 + 1))
    half = Dice(power=1, average="classes", smooth=0.5)(np.zeros_like(certain), labels)[0]
    assert half == pytest.approx(1 - (2 * 0.5 + 0.5) / (1 + 1 + 0.5))


def test_lovasz_of_certain_predictions_is_the_jaccard_loss() -> None:
    rng = np.random.default_rng(4)
    _, labels = sample(2)
    predicted = rng.integers(0, 4, labels.shape)
    logits = np.where(predicted[:, None] == np.arange(4)[:, None, None], 50.0, -50.0)
    valid = labels != 255
    losses = []
    for c in np.unique(labels[valid]):
        hit, asked = (labels == c) & valid, (predicted == c) & valid
        losses.append(1 - np.count_nonzero(hit & asked) / np.count_nonzero(hit | asked))
    assert LovaszSoftmax()(logits, labels)[0] == pytest.approx(np.mean(losses))


def test_lovasz_is_the_extension_of_the_jaccard_loss() -> None:
    """Of one class: the integral over thresholds of the Jaccard loss of the pixels whose error exceeds it."""
    logits, labels = sample(5)
    labels[labels != 255] = np.where(labels[labels != 255] < 2, 0, 3)
    value = LovaszSoftmax(classes="present")(logits, labels)[0]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    valid, total = labels != 255, 0.0
    for c in (0, 3):
        truth = labels[valid] == c
        errors = np.abs(truth - p[:, c][valid])
        edges = np.concatenate([[0.0], np.sort(errors)])
        for low, high in itertools.pairwise(edges):
            wrong = errors >= high
            total += (high - low) * (1 - np.count_nonzero(truth & ~wrong) / np.count_nonzero(truth | wrong))
    assert value == pytest.approx(total / 2)


def test_lovasz_orders_equal_errors_by_position() -> None:
    labels = np.array([[[0, 0, 1]]])
    _, gradient = LovaszSoftmax(classes="all")(np.zeros((1, 2, 1, 3)), labels)
    # Class 0: errors 1/2 each; its Jaccard loss rises by 1/2, 1/2, 0. Class 1: by 1/2 - 1/3, 1/3 - 1/3 … 1.
    rises = np.array([[1 / 2, 1 / 2, 0], [1 / 2, 1 / 6, 1 / 3]])
    signs = np.array([[-1, -1, 1], [1, 1, -1]])
    slope = rises * signs / 2
    expected = 0.5 * (slope - slope.mean(axis=0))
    np.testing.assert_allclose(gradient[0, :, 0], expected, atol=1e-15)


def test_boundary_values() -> None:
    labels = np.array([[[0, 0, 0, 1], [0, 0, 0, 1]]])
    term = BoundaryCrossEntropy()
    target = term.target(labels)
    np.testing.assert_array_equal(target, [[[0, 0, 1, 1]] * 2])
    logits = np.full((1, 1, 2, 4), 2.0)
    right, wrong = np.log1p(np.exp(-2.0)), np.log1p(np.exp(2.0))
    assert term(logits, target)[0] == pytest.approx((right + wrong) / 2)
    target[0, 0, 0] = 255
    balanced = replace(term, balance="frequency")(logits, target)[0]
    assert balanced == pytest.approx((4 * 3 / 7 * right + 3 * 4 / 7 * wrong) / 7)


@pytest.mark.parametrize("align_corners", [False, True])
def test_the_sum_over_outputs_at_their_own_resolutions(align_corners: bool) -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, (2, 6, 8))
    labels[:, 0] = 255
    outputs = [rng.normal(size=(2, 3, 6, 8)), rng.normal(size=(2, 3, 3, 4)), rng.normal(size=(2, 1, 2, 1))]
    terms: list[tuple[int, Term]] = [
        (0, OHEM(min_kept=10)),
        (0, Dice(weight=0.5)),
        (1, CrossEntropy(weight=0.4)),
        (1, CrossEntropy(weight=0.3, at="logits")),
        (2, BoundaryCrossEntropy(weight=0.25)),
    ]
    objective = Objective([Cost(*term) for term in terms], [labels], align_corners)
    values, gradients = objective(outputs)
    assert values[0] == terms[0][1](outputs[0], labels)[0]
    assert objective.total(values) == pytest.approx(np.dot([1, 0.5, 0.4, 0.3, 0.25], values))
    for k, gradient in enumerate(gradients):
        assert gradient.shape == outputs[k].shape

        def moved(x: np.ndarray, k: int = k) -> float:
            return objective.total(objective([*outputs[:k], x, *outputs[k + 1 :]])[0])

        np.testing.assert_allclose(gradient, numeric_gradient(moved, outputs[k]), atol=1e-9)
    with pytest.raises(ConfigError, match="2 outputs"):
        objective(outputs[:2])


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
        CrossEntropy()(logits, np.where(labels == 255, 4, labels))
    with pytest.raises(DataError, match="do not fit"):
        CrossEntropy()(logits, labels[:1])
    with pytest.raises(DataError, match="one logit"):
        BoundaryCrossEntropy()(logits, labels)
    with pytest.raises(ConfigError, match="3 class weights"):
        CrossEntropy(class_weights=WEIGHTS[:3])(logits, labels)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OHEM(threshold=1.5), "threshold"),
        (lambda: OHEM(min_kept=-1), "min_kept"),
        (lambda: Bootstrapped(min_kept=0), "min_kept"),
        (lambda: Bootstrapped(threshold=-0.1), "threshold"),
        (lambda: Focal(gamma=0.5), "gamma"),
        (lambda: Dice(smooth=0.0), "smooth"),
        (lambda: CrossEntropy(smoothing=1.1), "smoothing"),
        (lambda: CrossEntropy(weight=-1.0), "weight"),
        (lambda: CrossEntropy(class_weights=(0.0, 0.0)), "class_weights"),
        (lambda: CrossEntropy(class_weights=(1.0, -1.0)), "class_weights"),
        (lambda: BoundaryCrossEntropy(radius=0), "radius"),
    ],
)
def test_bad_settings_are_refused(make: Callable[[], Term], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


@every_term
def test_what_is_seen_by_pixels_is_a_sum_over_any_rows(term: Term) -> None:
    if term.seen != "pixels":
        pytest.skip(f"{term.kind} is not a sum over pixels")
    logits, target = inputs(term)
    measure = term.measure(target)
    value, gradient = term.value(logits, target, measure)
    parts = [term.value(logits[:, :, rows], target[:, rows], measure) for rows in (slice(0, 1), slice(1, 3))]
    assert sum(part for part, _ in parts) == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(np.concatenate([slope for _, slope in parts], axis=2), gradient, atol=1e-15)


@pytest.mark.parametrize("corners", [True, False])
@pytest.mark.parametrize(("source", "target"), [((4, 3), (9, 7)), ((1, 1), (5, 2)), ((9, 8), (4, 5)), ((5, 4), (5, 4))])
@pytest.mark.parametrize("values", [1, 60, 10_000])
def test_blocks_are_the_resized_picture(
    source: tuple[int, int], target: tuple[int, int], corners: bool, values: int
) -> None:
    picture = np.random.default_rng(0).normal(size=(3, *source))
    rows, columns = (interpolation_matrix(*sides, corners) for sides in zip(source, target))
    plan = plan_blocks(source, target, corners, 3, values)
    across = picture if plan.columns is None else picture @ plan.columns.T
    parts = [
        across[:, block.source] if plan.columns is None else block.rows @ across[:, block.source]
        for block in plan.blocks
    ]
    assert [row for block in plan.blocks for row in range(target[0])[block.target]] == list(range(target[0]))
    assert max(part[0].size * 3 for part in parts) <= max(values, 3 * target[1])
    np.testing.assert_allclose(np.concatenate(parts, axis=1), rows @ picture @ columns.T, atol=1e-14)

"""Boundary IoU against its definition, pixel by pixel."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from core.evaluation.boundary import BoundaryCounts, boundary, distance
from core.metrics import ConfusionMatrix

CLASSES, IGNORE = 3, 255


def outline(mask: np.ndarray, width: int) -> np.ndarray:
    """Those of the mask's pixels with one outside the mask or the picture at most `width` away, diagonally too."""
    height, across = mask.shape
    found = np.zeros_like(mask)
    for row, column in zip(*np.nonzero(mask)):
        for y in range(row - width, row + width + 1):
            for x in range(column - width, column + width + 1):
                outside = not (0 <= y < height and 0 <= x < across)
                found[row, column] |= outside or not mask[y, x]
    return found


def blobs(seed: int, size: tuple[int, int], ignored: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, CLASSES, (4, 5)).astype(np.uint8)
    label = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_NEAREST)
    if ignored:
        label[size[0] // 3 : size[0] // 2, :7] = IGNORE
    return label


@pytest.mark.parametrize("dilation", [0.02, 0.1])
def test_against_the_definition(dilation: float) -> None:
    counts = BoundaryCounts(CLASSES, IGNORE, dilation)
    expected = np.zeros((2, CLASSES), np.int64)
    for seed, size in enumerate([(24, 35), (33, 20)]):
        label, prediction = blobs(seed, size, ignored=True), blobs(seed + 10, size)
        counts.update(label, prediction)
        width = distance(*size, dilation)
        for index in range(CLASSES):
            truth = outline(label == index, width)
            found = outline((prediction == index) & (label != IGNORE), width)
            expected[:, index] += (truth & found).sum(), (truth | found).sum()
    assert 0 < expected[0].min() < expected[1].min()
    np.testing.assert_array_equal(counts.counts, expected)


def test_as_the_authors_erode_one_class() -> None:
    """A 3x3 erosion done d times on the mask with a rim of zeros, taken off the mask."""
    label, width = blobs(3, (60, 80)), 4
    for index in range(CLASSES):
        mask = (label == index).astype(np.uint8)
        rimmed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        inner = cv2.erode(rimmed, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
        np.testing.assert_array_equal((mask - inner) == 1, boundary(label, width) & (label == index))


def test_width_is_two_hundredths_of_the_diagonal() -> None:
    assert distance(1024, 2048) == 46
    assert distance(4, 4) == 1


def test_scores_beside_the_others() -> None:
    label = blobs(5, (40, 40))
    label[label == 2] = 0
    confusion, counts = ConfusionMatrix(CLASSES, IGNORE), BoundaryCounts(CLASSES, IGNORE)
    confusion.update(label, label)
    counts.update(label, label)
    names = ["road", "sky", "absent"]
    scores = counts.added_to(confusion.scores())
    assert scores.boundary_iou is not None
    assert scores.boundary_iou[:2] == (1.0, 1.0)
    assert math.isnan(scores.boundary_iou[2])
    assert scores.mean_boundary_iou == 1.0
    assert scores.to_dict(names)["boundary_iou"] == {"road": 1.0, "sky": 1.0, "absent": None}
    assert "boundary" not in confusion.scores().table(names)
    lines = scores.table(names).splitlines()
    assert lines[0].endswith("boundary IoU")
    assert [line.split()[-1] for line in lines[2:5]] == ["100.00", "100.00", "-"]
    assert lines[-1].split() == ["mean", "boundary", "IoU", "100.00"]
    assert counts.added_to(confusion.scores("zero")).mean_boundary_iou == pytest.approx(2 / 3)
    assert counts.added_to(confusion.scores(), mean_over=[0]).mean_boundary_iou == 1.0


def test_a_boundary_missed_by_more_than_its_width_scores_nothing() -> None:
    label = np.zeros((200, 200), np.uint8)
    label[90:110, 90:110] = 1
    moved = np.roll(label, 60, axis=1)
    counts = BoundaryCounts(2)
    counts.update(label, moved)
    assert counts.counts[0, 1] == 0
    assert counts.counts[1, 1] == 2 * (20**2 - 8**2)  # distance(200, 200) is 6: squares of 20 without their inner 8

"""The confusion matrix against a slow definition and against Cityscapes' own scripts."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, DataError
from core.metrics import ConfusionMatrix


def slow_matrix(label: np.ndarray, prediction: np.ndarray, classes: int, outputs: int, ignore: int) -> np.ndarray:
    matrix = np.zeros((classes, outputs), np.int64)
    for truth, guess in zip(label.ravel(), prediction.ravel()):
        if truth != ignore:
            matrix[truth, guess] += 1
    return matrix


def slow_iou(label: np.ndarray, prediction: np.ndarray, index: int, ignore: int) -> float:
    counted = label != ignore
    both = np.count_nonzero((label == index) & (prediction == index) & counted)
    either = np.count_nonzero(((label == index) | (prediction == index)) & counted)
    return both / either if either else math.nan


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int, int]:
    classes = draw(st.sampled_from([1, 2, 5, 19, 150, 255]))
    outputs = draw(st.integers(classes, min(classes + 2, 255)))
    shape = draw(st.tuples(st.integers(1, 7), st.integers(1, 9)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    present = rng.integers(0, classes, draw(st.integers(1, 4)))  # few classes: most are absent
    label = rng.choice(np.append(present, 255), shape).astype(np.uint8)
    prediction = rng.choice(np.append(present, outputs - 1), shape)
    return label, prediction.astype(draw(st.sampled_from([np.uint8, np.int32, np.int64]))), classes, outputs


@given(pairs())
def test_equals_the_definition(pair: tuple[np.ndarray, np.ndarray, int, int]) -> None:
    label, prediction, classes, outputs = pair
    confusion = ConfusionMatrix(classes, num_outputs=outputs)
    confusion.update(label, prediction)
    expected = slow_matrix(label, prediction, classes, outputs, 255)
    assert confusion.matrix.dtype == np.int64
    np.testing.assert_array_equal(confusion.matrix, expected)
    scores = confusion.scores()
    iou = [slow_iou(label, prediction, index, 255) for index in range(classes)]
    np.testing.assert_array_equal(scores.iou, iou)
    counted = label != 255
    if counted.any():
        np.testing.assert_allclose(scores.mean_iou, np.nanmean(iou), rtol=1e-12)
        assert scores.pixel_accuracy == np.mean(label[counted] == prediction[counted])
        recalls = [np.mean(prediction[label == c] == c) for c in range(classes) if (label == c).any()]
        np.testing.assert_allclose(scores.mean_accuracy, np.mean(recalls), rtol=1e-12)
        frequencies = [np.mean(label[counted] == c) for c in range(classes)]
        np.testing.assert_allclose(scores.frequency_weighted_iou, np.nansum(np.multiply(frequencies, iou)), rtol=1e-12)
        zero = confusion.scores(absent="zero")
        np.testing.assert_allclose(zero.mean_iou, np.nan_to_num(iou).mean(), rtol=1e-12)
    else:
        assert math.isnan(scores.pixel_accuracy)
        assert math.isnan(scores.mean_accuracy)


def test_a_known_case() -> None:
    label = np.array([[0, 0, 1, 1], [1, 255, 255, 2]], np.uint8)
    prediction = np.array([[0, 1, 1, 1], [0, 3, 0, 1]], np.uint8)
    confusion = ConfusionMatrix(5)
    confusion.update(label, prediction)
    scores = confusion.scores()
    # 0: 1 hit, 2 pixels, 2 predictions. 1: 2, 3, 4. 2: never hit. 3: predicted on an ignored pixel alone. 4: absent.
    np.testing.assert_array_equal(scores.iou, [1 / 3, 2 / 5, 0.0, math.nan, math.nan])
    np.testing.assert_array_equal(scores.accuracy, [1 / 2, 2 / 3, 0.0, math.nan, math.nan])
    assert scores.mean_iou == pytest.approx((1 / 3 + 2 / 5) / 3)
    assert scores.mean_accuracy == pytest.approx((1 / 2 + 2 / 3) / 3)
    assert scores.pixel_accuracy == 3 / 6
    assert scores.frequency_weighted_iou == pytest.approx((2 * (1 / 3) + 3 * (2 / 5)) / 6)
    assert scores.pixels == (2, 3, 1, 0, 0)
    zero = confusion.scores(absent="zero")
    assert zero.mean_iou == pytest.approx((1 / 3 + 2 / 5) / 5)
    assert zero.accuracy[3:] == (0.0, 0.0)
    assert confusion.scores(mean_over=[0, 1]).mean_iou == pytest.approx((1 / 3 + 2 / 5) / 2)


def test_class_predicted_but_absent_from_the_truth_counts_as_zero() -> None:
    confusion = ConfusionMatrix(3)
    confusion.update(np.zeros((2, 2), np.uint8), np.array([[0, 0], [0, 1]]))
    np.testing.assert_array_equal(confusion.scores().iou, [0.75, 0.0, math.nan])
    np.testing.assert_array_equal(confusion.scores().accuracy, [0.75, math.nan, math.nan])
    assert confusion.scores().mean_iou == 0.375
    assert confusion.scores().mean_accuracy == 0.75


def test_void_outputs_are_misses_and_nobodys_false_positives() -> None:
    confusion = ConfusionMatrix(2, num_outputs=3)
    confusion.update(np.array([[0, 0, 1, 1]], np.uint8), np.array([[0, 2, 1, 2]]))
    assert confusion.matrix.tolist() == [[1, 0, 1], [0, 1, 1]]
    assert confusion.scores().iou == (0.5, 0.5)
    assert confusion.scores().pixel_accuracy == 0.5


def test_batches_and_pieces_agree() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 4, (3, 10, 12), dtype=np.uint8)
    prediction = rng.integers(0, 4, (3, 10, 12))
    whole, pieces = ConfusionMatrix(4), ConfusionMatrix(4)
    whole.update(label, prediction)
    pieces.update(label[0], prediction[0])
    pieces.update(label[1:].astype(np.int64), prediction[1:])
    np.testing.assert_array_equal(pieces.matrix, whole.matrix)
    strided = ConfusionMatrix(4)
    strided.update(label[:, ::-2, ::3], prediction.astype(np.uint8)[:, ::-2, ::3])
    np.testing.assert_array_equal(
        strided.matrix, sum(slow_matrix(a[::-2, ::3], b[::-2, ::3], 4, 4, 255) for a, b in zip(label, prediction))
    )


def test_counts_stay_exact_beyond_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.metrics._EXACT_COUNT", 100)  # pieces of a few rows
    rng = np.random.default_rng(1)
    label, prediction = rng.integers(0, 3, (2, 41, 30), dtype=np.uint8)
    confusion = ConfusionMatrix(3)
    confusion.update(label, prediction)
    np.testing.assert_array_equal(confusion.matrix, slow_matrix(label, prediction, 3, 3, 255))


def test_large_uniform_map_is_counted_exactly() -> None:
    side = 4100  # 16.81 million pixels: more than float32 counts
    zeros = np.zeros((side, side), np.uint8)
    confusion = ConfusionMatrix(2)
    confusion.update(zeros, zeros)
    assert confusion.matrix[0, 0] == side * side


@pytest.mark.parametrize(
    ("label", "prediction", "message"),
    [
        (np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), r"\[2, 3\].*\[3, 2\]"),
        (np.zeros((2, 3), np.uint8), np.full((2, 3), 3, np.uint8), "prediction holds 3"),
        (np.full((2, 3), 255, np.uint8), np.full((2, 3), 255, np.uint8), "prediction holds 255"),
        (np.zeros((2, 3), np.uint8), np.full((2, 3), -1), "prediction holds values from -1"),
        (np.zeros((2, 3), np.uint8), np.full((2, 3), 256), "to 256"),
        (np.full((2, 3), 7, np.uint8), np.zeros((2, 3), np.uint8), r"label holds \[7\]"),
        (np.zeros((2, 3), np.float32), np.zeros((2, 3), np.uint8), "integers"),
        (np.zeros(3, np.uint8), np.zeros(3, np.uint8), r"\[H, W\]"),
    ],
)
def test_bad_maps_are_refused_and_nothing_is_counted(label: np.ndarray, prediction: np.ndarray, message: str) -> None:
    confusion = ConfusionMatrix(3)
    with pytest.raises(DataError, match=message):
        confusion.update(label, prediction)
    assert confusion.matrix.sum() == 0


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="num_classes"):
        ConfusionMatrix(300)
    with pytest.raises(ConfigError, match="ignore_index"):
        ConfusionMatrix(19, ignore_index=3)
    with pytest.raises(ConfigError, match="absent"):
        ConfusionMatrix(3).scores(absent="nan")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="mean_over"):
        ConfusionMatrix(3).scores(mean_over=[3])


def test_table_and_dictionary() -> None:
    confusion = ConfusionMatrix(3)
    confusion.update(np.array([[0, 0, 1, 1]], np.uint8), np.array([[0, 0, 1, 0]], np.uint8))
    scores = confusion.scores()
    lines = scores.table(["road", "sky", "tram"]).splitlines()
    assert lines[2].split() == ["road", "66.67", "100.00", "50.00"]
    assert lines[4].split() == ["tram", "-", "-", "0.00"]
    assert lines[6].split() == ["mean", "IoU", "58.33"]
    assert len({len(line) for line in lines[0:1] + lines[2:5]}) == 1  # right-aligned columns
    assert len({line.index(".") for line in lines if "." in line and "tram" not in line}) == 1
    plain = scores.to_dict(["road", "sky", "tram"])
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["iou"] == {"road": 2 / 3, "sky": 0.5, "tram": None}
    assert plain["pixels"] == {"road": 2, "sky": 2, "tram": 0}
    assert scores.to_dict()["iou"] == [2 / 3, 0.5, None]
    with pytest.raises(ConfigError, match="2 class names"):
        scores.table(["road", "sky"])


def test_empty_matrix_has_no_scores() -> None:
    scores = ConfusionMatrix(2).scores()
    assert math.isnan(scores.mean_iou)
    assert math.isnan(scores.pixel_accuracy)
    assert scores.table(["a", "b"]).count("-\n") >= 1


def test_equals_cityscapes_scripts_on_real_frames(shared: Path, tmp_path: Path) -> None:
    evaluation = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    labels = evaluation.labels
    scored = [label for label in labels if not label.ignoreInEval]
    truths = sorted((shared / "data/cityscapes/gtFine").rglob("*_labelIds.png"))
    if len(truths) < 2:
        pytest.skip(f"fewer than two labelled Cityscapes frames under {shared / 'data/cityscapes'}")

    train_id = np.full(256, 255, np.uint8)
    for label in scored:
        train_id[label.id] = label.trainId
    confusion = ConfusionMatrix(19, num_outputs=20)
    predictions = []
    rng = np.random.default_rng(0)
    for path in truths:
        truth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        prediction = perturbed(truth, [label.id for label in labels if label.id >= 0], rng)
        predictions.append(str(tmp_path / path.name))
        cv2.imwrite(predictions[-1], prediction)
        guess = train_id[prediction]
        guess[guess == 255] = 19  # an id that is not scored is a void prediction
        confusion.update(train_id[truth], guess)

    settings = copy.copy(evaluation.args)
    settings.quiet, settings.JSONOutput, settings.evalInstLevelScore = True, False, False
    official = evaluation.evaluateImgLists(predictions, [str(path) for path in truths], settings)
    scores = confusion.scores()
    np.testing.assert_array_equal(scores.iou, [official["classScores"][label.name] for label in scored])
    assert scores.mean_iou == official["averageScoreClasses"]
    assert 0.2 < scores.mean_iou < 0.9  # neither everything right nor everything wrong


def perturbed(truth: np.ndarray, ids: list[int], rng: np.random.Generator) -> np.ndarray:
    """A label map with blobs of other classes, of void ids, and a class (tram-like) that the truth never holds."""
    prediction = truth.copy()
    absent = [index for index in ids if index not in truth and index >= 7]
    for index in [*rng.choice(np.unique(truth), 60), *absent[:3], 0, 4]:
        row, column = rng.integers(0, truth.shape[0]), rng.integers(0, truth.shape[1])
        cv2.circle(prediction, (int(column), int(row)), int(rng.integers(10, 120)), int(index), thickness=-1)
    return prediction

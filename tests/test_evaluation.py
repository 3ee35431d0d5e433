"""The evaluation protocol, with networks whose answer is known at every pixel."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, DataError, SegParityError
from core.evaluation.protocol import EvaluationProtocol, Size, windows
from core.evaluation.segmenting import argmax, merged_scores, segment
from core.losses import interpolation_matrix
from core.resize import resize_bilinear

CLASSES = 4


class ColourNetwork:
    """Logits that grow as the pixel's first channel nears the class index: every pixel is judged by itself alone."""

    def __init__(self) -> None:
        self.batches: list[np.ndarray] = []

    def __call__(self, batch: np.ndarray, size: Size) -> np.ndarray:
        assert batch.dtype == np.float32
        assert batch.shape[2:] == size
        self.batches.append(batch.copy())
        index = np.arange(CLASSES, dtype=np.float32)[:, None, None]
        return 5 - 4 * np.abs(batch[:, :1] - index)


class PlaceNetwork:
    """One class, whose logit is the column within the input: tells windows, flips and padding apart."""

    def __call__(self, batch: np.ndarray, size: Size) -> np.ndarray:
        column = np.arange(size[1], dtype=np.float32)
        return np.broadcast_to(column, (len(batch), 1, *size)).copy()


def picture(height: int, width: int, seed: int = 0, block: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A label map of square blocks, and a picture that has it in its first channel."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, CLASSES, (-(-height // block), -(-width // block)))
    label = np.repeat(np.repeat(coarse, block, 0), block, 1)[:height, :width]
    image = rng.normal(size=(3, height, width)).astype(np.float32)
    image[0] = label
    return image, label


PIXELWISE = [
    EvaluationProtocol(),
    EvaluationProtocol(flip=True),
    EvaluationProtocol(window=(5, 7)),
    EvaluationProtocol(window=(5, 7), stride=(2, 3)),
    EvaluationProtocol(window=(5, 7), stride=0.5, edge="pad"),
    EvaluationProtocol(window=(64, 7), stride=2 / 3, edge="pad", flip=True),
    EvaluationProtocol(window=(64, 64), stride=2 / 3),
    EvaluationProtocol(multiple=8),
    EvaluationProtocol(multiple=8, window=(5, 7), stride=(4, 4), flip=True),
    EvaluationProtocol(window=(6, 6), stride=(5, 4), flip=True, combine="probabilities"),
    EvaluationProtocol(window=(6, 6), stride=(5, 4), flip=True, combine="exp_logits", edge="pad"),
    EvaluationProtocol(scales=(1.0, 1.0), flip=True, pad_value=(9.0, 9.0, 9.0), multiple=5),
    EvaluationProtocol(resize=(13, 17)),
    EvaluationProtocol(long_side=17, align_corners=True, align_corners_image=True),
]


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("protocol", PIXELWISE, ids=str)
def test_a_pixelwise_network_gives_the_known_map(protocol: EvaluationProtocol, batch_size: int) -> None:
    image, label = picture(13, 17)
    before = image.copy()
    result = segment(image, replace(protocol, batch=batch_size), ColourNetwork())
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, label)
    np.testing.assert_array_equal(image, before)  # the picture is left alone


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("combine", ["logits", "probabilities", "exp_logits"])
def test_scales_give_the_known_map_away_from_edges(combine: Any, align: bool) -> None:
    image, label = picture(64, 96, block=16)
    protocol = EvaluationProtocol(
        scales=(0.5, 1.0, 1.75),
        flip=True,
        window=(48, 48),
        stride=2 / 3,
        combine=combine,
        align_corners=align,
        align_corners_image=align,
    )
    result = segment(image, replace(protocol, batch=4), ColourNetwork())
    inside = cv2.erode((cv2.Laplacian(label.astype(np.float32), cv2.CV_32F) == 0).astype(np.uint8), np.ones((5, 5)))
    assert inside.mean() > 0.3
    np.testing.assert_array_equal(result[inside == 1], label[inside == 1])


def test_window_as_large_as_the_picture_is_the_whole_picture() -> None:
    image, _ = picture(12, 20)
    whole = merged_scores(image, EvaluationProtocol(), ColourNetwork())
    for edge in ("flush", "pad"):
        windowed = merged_scores(image, EvaluationProtocol(window=(12, 20), stride=0.5, edge=edge), ColourNetwork())  # type: ignore[arg-type]
        np.testing.assert_array_equal(windowed, whole)


def test_overlaps_are_averaged() -> None:
    image = np.zeros((3, 4, 10), np.float32)
    scores = merged_scores(image, EvaluationProtocol(window=(4, 6), stride=(4, 3)), PlaceNetwork())[0]
    # Windows at columns 0..5, 3..8 and, moved back to the edge, 4..9; each sees its own columns 0..5.
    expected = [0, 1, 2, (3 + 0) / 2, (4 + 1 + 0) / 3, (5 + 2 + 1) / 3, (3 + 2) / 2, (4 + 3) / 2, (5 + 4) / 2, 5]
    np.testing.assert_allclose(scores, np.tile(expected, (4, 1)), rtol=1e-6)
    padded = merged_scores(image, EvaluationProtocol(window=(4, 6), stride=(4, 3), edge="pad"), PlaceNetwork())[0]
    # Windows at 0..5, 3..8 and 6..9 with two columns of padding.
    expected = [0, 1, 2, 1.5, 2.5, 3.5, (3 + 0) / 2, (4 + 1) / 2, (5 + 2) / 2, 3]
    np.testing.assert_allclose(padded, np.tile(expected, (4, 1)), rtol=1e-6)


def test_flips_are_averaged_after_padding() -> None:
    image = np.zeros((3, 2, 5), np.float32)
    scores = merged_scores(image, EvaluationProtocol(flip=True, multiple=8), PlaceNetwork())[0]
    np.testing.assert_array_equal(scores, np.full((2, 5), 3.5))  # (c + (7 - c)) / 2: mirrored at the padded width


def test_exp_logits_sums_the_exponentials_of_window_and_mirror() -> None:
    image = np.zeros((3, 1, 4), np.float32)
    protocol = EvaluationProtocol(scales=(1.0, 1.0), flip=True, window=(1, 3), stride=(1, 1), combine="exp_logits")
    scores = merged_scores(image, protocol, lambda batch, size: batch[:, 1:2] + PlaceNetwork()(batch, size))[0]
    np.testing.assert_allclose(scores, np.full((1, 4), 2 * math.exp(2)), rtol=1e-6)
    large = merged_scores(image, protocol, lambda batch, size: np.full((len(batch), 2, *size), 1e4, np.float32))
    assert np.isfinite(large).all()


def test_probabilities_are_the_mean_of_softmaxes() -> None:
    image, _ = picture(6, 6)
    protocol = EvaluationProtocol(flip=True, combine="probabilities")

    def network(batch: np.ndarray, size: Size) -> np.ndarray:
        return ColourNetwork()(batch, size) * np.linspace(0.1, 1, size[1], dtype=np.float32)  # not symmetric

    def softmax(logits: np.ndarray) -> np.ndarray:
        return np.exp(logits) / np.exp(logits).sum(axis=0)

    scores = merged_scores(image, protocol, network)
    straight = softmax(network(image[None], (6, 6))[0])
    mirrored = softmax(network(image[None, :, :, ::-1], (6, 6))[0])[:, :, ::-1]
    np.testing.assert_allclose(scores, (straight + mirrored) / 2, rtol=1e-5)
    np.testing.assert_allclose(scores.sum(axis=0), 1, rtol=1e-6)


def test_scores_of_scales_are_averaged_at_the_pictures_size() -> None:
    image = np.zeros((3, 4, 8), np.float32)
    sizes: list[Size] = []

    def network(batch: np.ndarray, size: Size) -> np.ndarray:
        sizes.append(size)
        return np.full((1, 1, *size), size[1], np.float32)

    scores = merged_scores(image, EvaluationProtocol(scales=(0.5, 1.0, 2.0)), network)
    assert sizes == [(2, 4), (4, 8), (8, 16)]
    np.testing.assert_allclose(scores, np.full((1, 4, 8), (4 + 8 + 16) / 3), rtol=1e-6)


def test_padding_and_batches_reach_the_network() -> None:
    image, _ = picture(5, 9)
    network = ColourNetwork()
    black = (-2.0, -1.5, -1.0)
    segment(
        image,
        EvaluationProtocol(window=(4, 4), edge="pad", multiple=3, pad_value=black, flip=True, batch=5),
        network,
    )
    assert [batch.shape for batch in network.batches] == [(5, 3, 6, 6), (5, 3, 6, 6), (2, 3, 6, 6)]
    inputs = np.concatenate(network.batches)
    np.testing.assert_array_equal(inputs[0, :, :4, :4], image[:, :4, :4])
    np.testing.assert_array_equal(inputs[1], inputs[0, :, :, ::-1])  # the mirror comes second
    last = inputs[-2]  # one row and one column of the picture, the rest padding
    np.testing.assert_array_equal(last[:, 0, 0], image[:, 4, 8])
    outside = np.ones((6, 6), bool)
    outside[0, 0] = False
    np.testing.assert_array_equal(last[:, outside], np.tile(np.array(black, np.float32)[:, None], (1, 35)))


def test_label_size_input_scores_at_the_networks_size() -> None:
    image, _ = picture(6, 10)
    protocol = EvaluationProtocol(resize=(3, 5), label_size="input")
    assert protocol.output_size(6, 10) == (3, 5)
    assert segment(image, protocol, ColourNetwork()).shape == (3, 5)
    assert segment(image, EvaluationProtocol(resize=(3, 5)), ColourNetwork()).shape == (6, 10)


@pytest.mark.parametrize(
    ("protocol", "scale", "picture_size", "expected"),
    [
        (EvaluationProtocol(), 1.0, (1024, 2048), (1024, 2048)),
        (EvaluationProtocol(), 0.75, (375, 500), (281, 375)),
        (EvaluationProtocol(resize=(768, 960)), 1.0, (720, 960), (768, 960)),
        (EvaluationProtocol(resize=(768, 960)), 0.5, (720, 960), (384, 480)),
        (EvaluationProtocol(long_side=2048), 1.25, (1024, 2048), (1280, 2560)),
        (EvaluationProtocol(long_side=520), 0.75, (375, 500), (293, 390)),  # 292.5 rounds up
        (EvaluationProtocol(long_side=520), 1.0, (500, 375), (520, 390)),
        (EvaluationProtocol(long_side=521), 0.5, (500, 375), (261, 196)),  # ceil(260.5)
        (EvaluationProtocol(short_side=512), 1.0, (480, 640), (512, 683)),
        (EvaluationProtocol(long_side=2048, short_side=512), 1.0, (480, 640), (512, 683)),
        (EvaluationProtocol(long_side=2048, short_side=512), 1.0, (300, 2400), (256, 2048)),
    ],
)
def test_input_sizes(protocol: EvaluationProtocol, scale: float, picture_size: Size, expected: Size) -> None:
    assert protocol.input_size(*picture_size, scale) == expected


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 25), st.integers(1, 25), st.data())
def test_windows_cover_every_pixel(height: int, width: int, tall: int, wide: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, tall)), data.draw(st.integers(1, wide))
    flush = windows(height, width, (tall, wide), stride)
    padded = windows(height, width, (tall, wide), stride, "pad")
    assert len(flush) == len(padded)
    for places in (flush, padded):
        assert len({(rows.start, columns.start) for rows, columns in places}) == len(places)
        covered = np.zeros((height, width), np.int64)
        for rows, columns in places:
            assert 0 <= rows.start < rows.stop <= height
            assert 0 <= columns.start < columns.stop <= width
            covered[rows, columns] += 1
        assert covered.all()
    for rows, columns in flush:
        assert (rows.stop - rows.start, columns.stop - columns.start) == (min(tall, height), min(wide, width))
    assert (flush[-1][0].stop, flush[-1][1].stop) == (height, width)
    for rows, columns in padded:
        assert rows.start % stride[0] == 0
        assert columns.start % stride[1] == 0


def test_windows_of_a_cityscapes_frame() -> None:
    rows = sorted({(r.start, r.stop) for r, _ in windows(1024, 2048, (769, 769), (512, 512))})
    assert rows == [(0, 769), (255, 1024)]
    assert len(windows(1024, 2048, (769, 769), (512, 512))) == 2 * 4
    with pytest.raises(ConfigError, match="stride 4"):
        windows(9, 9, (3, 3), (4, 4))


def test_ties_go_to_the_lowest_class() -> None:
    scores = np.zeros((5, 2, 3), np.float32)
    scores[[2, 4], 0] = 1.0
    np.testing.assert_array_equal(argmax(scores), [[2, 2, 2], [0, 0, 0]])
    random = np.random.default_rng(0).integers(0, 4, (19, 30, 40)).astype(np.float32)  # ties everywhere
    np.testing.assert_array_equal(argmax(random), random.argmax(axis=0))


def test_nan_scores_are_an_error() -> None:
    for where in ((0, 1, 2), (3, 1, 2)):
        scores = np.zeros((4, 3, 3), np.float32)
        scores[where] = np.nan
        with pytest.raises(SegParityError, match=r"nan.*row 1, column 2"):
            argmax(scores)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("target", [(7, 9), (15, 4), (1, 1), (3, 300), (200, 5)])
def test_resize_equals_the_interpolation_matrices(target: Size, align_corners: bool) -> None:
    image = np.random.default_rng(0).normal(size=(2, 7, 5)).astype(np.float32)
    result = resize_bilinear(image, target, align_corners)
    assert result.dtype == np.float32
    rows = interpolation_matrix(7, target[0], align_corners)
    columns = interpolation_matrix(5, target[1], align_corners)
    np.testing.assert_allclose(result, rows @ image @ columns.T, atol=3e-6)
    single = resize_bilinear(np.ones((1, 1, 1), np.float32), target, align_corners)
    np.testing.assert_array_equal(single, np.ones((1, *target)))


def test_protocol_survives_json() -> None:
    protocol = EvaluationProtocol(
        scales=(0.5, 1.0), long_side=2048, window=(1024, 1024), stride=0.5, flip=True, edge="pad"
    )
    plain = json.loads(json.dumps(protocol.to_dict()))
    assert plain["window"] == [1024, 1024]
    assert plain["combine"] == "logits"
    assert EvaluationProtocol(**plain) == protocol
    assert hash(EvaluationProtocol(**plain)) == hash(protocol)


def test_only_a_single_run_of_the_whole_picture_is_plain() -> None:
    assert EvaluationProtocol().is_plain
    assert EvaluationProtocol(combine="probabilities", align_corners=True).is_plain
    for protocol in (
        EvaluationProtocol(scales=(1.0, 2.0)),
        EvaluationProtocol(scales=(0.5,)),
        EvaluationProtocol(flip=True),
        EvaluationProtocol(window=(8, 8)),
        EvaluationProtocol(resize=(8, 8)),
        EvaluationProtocol(long_side=8),
        EvaluationProtocol(short_side=8),
    ):
        assert not protocol.is_plain


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scales": ()}, "scales"),
        ({"scales": (1.0, 0.0)}, "scales"),
        ({"resize": (0, 5)}, "resize"),
        ({"resize": (8, 8), "long_side": 9}, "one rule"),
        ({"long_side": 0}, "long_side"),
        ({"multiple": 0}, "multiple"),
        ({"stride": 0.5}, "without a window"),
        ({"window": (8, 8), "stride": (9, 8)}, "between 1 and the window"),
        ({"window": (8, 8), "stride": 1.5}, "stride: 1.5 is out of range: above 0 and at most 1"),
        ({"window": (3, 3), "stride": 0.1}, "between 1 and the window"),
        ({"edge": "reflect"}, "edge"),
        ({"combine": "max"}, "combine"),
        ({"pad_value": (0.0,)}, "pad_value"),
        ({"label_size": "input", "scales": (0.5, 1.0)}, "label_size"),
    ],
)
def test_bad_protocols_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EvaluationProtocol(**changes)


def test_bad_pictures_and_networks_are_refused() -> None:
    image, _ = picture(6, 6)
    with pytest.raises(DataError, match="float64"):
        segment(image.astype(np.float64), EvaluationProtocol(), ColourNetwork())  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"\[6, 6\]"):
        segment(image[0], EvaluationProtocol(), ColourNetwork())
    with pytest.raises(SegParityError, match=r"\[1, classes, 6, 6\]"):
        segment(image, EvaluationProtocol(), lambda batch, size: batch[:, :, ::2, ::2])

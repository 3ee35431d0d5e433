"""Transforms: the exact formulas, geometry, and independence of everything but the generator."""

import cv2
import numpy as np
import pytest

from core.data import IGNORE
from core.data.normalization import NORMALIZATIONS, Normalize
from core.data.resampling import resize_label
from core.data.transforms import (
    EvalTransform,
    TrainTransform,
    choose_window,
    draw_scale,
    jitter_colors,
    largest_share,
)
from core.errors import ConfigError, DataError


def _rng(seed=0):
    return np.random.default_rng(seed)


def _picture(height=60, width=80, seed=0):
    rng = _rng(seed)
    coarse = rng.integers(0, 256, (8, 10, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def _labels(height=60, width=80):
    label = np.zeros((height, width), np.uint8)
    label[:, width // 2 :] = 1
    label[: height // 4] = 2
    label[-3:] = IGNORE
    return label


def _published(name, rgb):
    """The presets' formulas as their origins state them, channel by channel in float64."""
    x = rgb.astype(np.float64)
    bgr = x[:, :, ::-1]
    if name == "imagenet":
        y = (x / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    elif name == "half":  # PaddleSeg
        y = (x / 255 - 0.5) / 0.5
    elif name == "tensorflow_8bit":
        y = (x - 128) / 128
    elif name == "bgr_mean":
        y = bgr - (104.00698793, 116.66876762, 122.67891434)
    elif name == "espnet_camvid":
        mean = (110.33102643430219, 108.40886315470783, 105.03319368755685)
        y = (bgr - mean) / (72.12571015416249, 72.69074533734523, 69.90434816160945) / 255
    else:
        y = (bgr - (72.3923111, 82.90893555, 73.15840149)) / (45.3192215, 46.15289307, 44.91483307) / 255
    return y.transpose(2, 0, 1)


@pytest.mark.parametrize("name", list(NORMALIZATIONS))
def test_presets(name):
    image = _picture()
    out = NORMALIZATIONS[name](image)
    assert (out.dtype, out.shape, out.flags.c_contiguous) == (np.float32, (3, 60, 80), True)
    np.testing.assert_allclose(out, _published(name, image), rtol=2e-7, atol=1e-8)
    np.testing.assert_allclose(NORMALIZATIONS[name](image.astype(np.float32)), out, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(NORMALIZATIONS[name].undo(out), image)


def test_normalize_on_the_scale_0_to_255():
    image = _picture()
    out = Normalize((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))(image)
    np.testing.assert_allclose(out, NORMALIZATIONS["imagenet"](image), atol=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [{"mean": (0, 0, 0), "channel_order": "gbr"}, {"mean": (0, 0)}, {"mean": (0, 0, 0), "std": (1, 0, 1)}],
)
def test_wrong_normalizations(arguments):
    with pytest.raises(ConfigError):
        Normalize(**arguments)


def test_unknown_preset():
    with pytest.raises(DataError, match=r"'imagnet'.*imagenet"):
        EvalTransform(normalize="imagnet")


def test_train_output_and_padding_is_the_mean_colour():
    transform = TrainTransform(crop=(70, 90), scale=(0.5, 0.5), flip=0.0, normalize="bgr_mean")
    image, label = transform(_picture(), _labels(), _rng())
    assert (image.dtype, image.shape, image.flags.c_contiguous) == (np.float32, (3, 70, 90), True)
    assert (label.dtype, label.shape, label.flags.c_contiguous) == (np.int64, (70, 90), True)
    assert (image[:, 30:] == 0).all()
    assert (image[:, :, 40:] == 0).all()
    assert (label[30:] == IGNORE).all()
    assert (label[:, 40:] == IGNORE).all()
    assert np.abs(image[:, :30, :40]).mean() > 1


def test_without_augmentation_it_is_the_normalised_picture():
    transform = TrainTransform(crop=(60, 80), scale=(1, 1), flip=0.0)
    image, label = transform(_picture(), _labels(), _rng())
    np.testing.assert_array_equal(image, NORMALIZATIONS["imagenet"](_picture()))
    np.testing.assert_array_equal(label, _labels())


def test_flip_turns_image_and_label():
    transform = TrainTransform(crop=(60, 80), scale=(1, 1), flip=1.0)
    image, label = transform(_picture(), _labels(), _rng())
    np.testing.assert_array_equal(image, NORMALIZATIONS["imagenet"](_picture())[:, :, ::-1])
    np.testing.assert_array_equal(label, _labels()[:, ::-1])


def test_image_and_label_stay_aligned():
    """A picture painted from its labels still shows them after scaling, cropping and flipping."""
    label = np.kron(_rng(3).integers(0, 4, (6, 8)), np.ones((20, 20))).astype(np.uint8)
    image = np.repeat((label * 60)[:, :, None], 3, axis=2)
    transform = TrainTransform(crop=(64, 64), normalize=Normalize((0, 0, 0)))
    for seed in range(20):
        out, lab = transform(image, label, _rng(seed))
        valid = lab != IGNORE
        wrong = np.abs(out[0] - lab * 60)[valid] > 31
        assert wrong.mean() < 0.03, seed


def test_scale_is_uniform_or_from_the_list():
    rng = _rng()
    drawn = np.array([draw_scale(rng, (0.5, 2.0)) for _ in range(4000)])
    assert 0.5 <= drawn.min() < 0.51
    assert 1.99 < drawn.max() <= 2.0
    assert abs(drawn.mean() - 1.25) < 0.03
    listed = {draw_scale(rng, (0.5, 2.0), (0.75, 1.0, 1.5)) for _ in range(200)}
    assert listed == {0.75, 1.0, 1.5}


def test_windows_cover_every_place():
    rng = _rng()
    starts = set()
    for _ in range(300):
        rows, columns = choose_window(np.zeros((7, 9), np.uint8), (4, 20), rng)
        assert (rows.stop - rows.start, columns) == (4, slice(0, 9))
        starts.add(rows.start)
    assert starts == {0, 1, 2, 3}


def test_limit_on_one_class():
    label = np.zeros((100, 100), np.uint8)
    label[40:60, 40:60] = 1
    label[:2] = IGNORE
    limited = [largest_share(label[choose_window(label, (24, 24), _rng(s), 0.75)]) for s in range(60)]
    free = [largest_share(label[choose_window(label, (24, 24), _rng(s))]) for s in range(60)]
    assert np.mean(np.array(limited) < 0.75) > np.mean(np.array(free) < 0.75) + 0.3
    assert largest_share(np.full((3, 3), IGNORE, np.uint8)) == 1.0
    assert largest_share(np.array([[0, 0, 1, IGNORE]], np.uint8)) == pytest.approx(2 / 3)


def test_nearest_label_uses_pixel_centres():
    label = np.arange(6, dtype=np.uint8).reshape(1, 6)
    assert resize_label(label, (1, 3)).tolist() == [[1, 3, 5]]
    assert resize_label(label, (2, 12)).tolist() == [np.repeat(np.arange(6), 2).tolist()] * 2
    assert resize_label(label, (1, 2)).tolist() == [[1, 4]]


def test_brightness_and_contrast_formula():
    image = _picture()
    changed = 0
    for seed in range(12):
        out = jitter_colors(image, _rng(seed), brightness=0.125, probability=1.0)
        shift = np.round(np.median(out.astype(int) - image))
        np.testing.assert_array_equal(out, np.clip(image.astype(int) + int(shift), 0, 255))
        assert abs(shift) <= 32
        changed += shift != 0
        out = jitter_colors(image, _rng(seed), contrast=0.5, probability=1.0)
        middle = (image > 60) & (image < 120)
        factor = (out[middle] / image[middle]).mean()
        assert 0.5 <= factor <= 1.5
        assert np.abs(out[middle] - image[middle] * factor).max() < 1.5
    assert changed > 8


def test_saturation_leaves_grey_alone_and_hue_keeps_brightness():
    grey = np.repeat(_picture()[:, :, :1], 3, axis=2)
    np.testing.assert_array_equal(jitter_colors(grey, _rng(1), saturation=0.5, hue=0.1, probability=1.0), grey)
    image = _picture()
    out = jitter_colors(image, _rng(1), hue=0.1, probability=1.0)
    assert not np.array_equal(out, image)
    assert np.abs(out.max(axis=2).astype(int) - image.max(axis=2)).max() <= 2
    np.testing.assert_array_equal(jitter_colors(image, _rng(1), 0.1, 0.5, 0.5, 0.1, probability=0.0), image)


FULL = {"brightness": 0.125, "contrast": 0.5, "saturation": 0.5, "hue": 0.1, "blur": 1.0, "cat_max_ratio": 0.75}


def test_nothing_depends_on_the_number_of_threads():
    image, label = _picture(360, 480), _labels(360, 480)
    transform = TrainTransform(crop=(256, 256), jitter_probability=1.0, **FULL)
    evaluation = EvalTransform()
    threads = cv2.getNumThreads()
    results = []
    try:
        for count in (0, 1, 2, 5):
            cv2.setNumThreads(count)
            out = [array.tobytes() for seed in range(5) for array in transform(image, label, _rng(seed))]
            results.append([*out, evaluation(image)[0].tobytes()])
    finally:
        cv2.setNumThreads(threads)
    assert all(result == results[0] for result in results[1:])


def test_inputs_are_left_alone():
    image, label = _picture(), _labels()
    image.setflags(write=False)
    label.setflags(write=False)
    for seed in range(5):
        TrainTransform(crop=(32, 32), jitter_probability=1.0, resize=(50, 70), **FULL)(image, label, _rng(seed))


def test_eval_transform():
    image, label = _picture(), _labels()
    out, same = EvalTransform()(image, label)
    np.testing.assert_array_equal(out, NORMALIZATIONS["imagenet"](image))
    np.testing.assert_array_equal(same, label)
    assert same.dtype == np.int64
    assert EvalTransform()(image)[1] is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"crop": (0, 5)},
        {"crop": (5, 5), "scale": (2.0, 0.5)},
        {"crop": (5, 5), "scales": (0.0, 1.0)},
        {"crop": (5, 5), "flip": 1.5},
        {"crop": (5, 5), "cat_max_ratio": 0.0},
        {"crop": (5, 5), "resize": (4, 0)},
    ],
)
def test_wrong_options(arguments):
    with pytest.raises(ConfigError):
        TrainTransform(**arguments)

"""Presets, sizes, mixing, sampling by classes: the repositories' numbers; nothing but (seed, epoch, index) decides."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from core.config import dump_config, load_config
from core.data import IGNORE
from core.data.augmentations import PRESETS
from core.data.colors import enhance_colors
from core.data.datasets.base import Dataset, Sample
from core.data.datasets.roadscape import Roadscape
from core.data.labels import LabelSpace
from core.data.mixing import mix_box, mix_classes
from core.data.normalization import Normalize
from core.data.pipeline import TrainingSamples, count_pixels
from core.data.sampler import Sampling, epoch_visits
from core.data.transforms import TrainTransform, draw_window_with
from core.errors import ConfigError

PLAIN = Normalize((0, 0, 0))


def _rng(seed=0):
    return np.random.default_rng(seed)


def _picture(height=60, width=80, seed=0):
    return _rng(seed).integers(0, 256, (height, width, 3), np.uint8)


# Presets


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_are_settings_that_something_reads(name):
    config = load_config(None, [f"transform.preset={name}"])
    for key, value in PRESETS[name].items():
        found = getattr(config.transform, key)
        assert (list(found) if isinstance(found, tuple) else found) == value, key
    assert load_config(text=dump_config(config)) == config
    crop = config.transform.crop
    image, label = TrainTransform(**{**vars(config.transform), "crop": (24, 32)})(
        _picture(), np.zeros((60, 80), np.uint8), _rng()
    )
    assert (image.shape, label.shape) == ((3, 24, 32), (24, 32))
    assert min(crop) >= 384


def test_settings_beside_and_after_a_preset_win(tmp_path):
    base, path = tmp_path / "base.yaml", tmp_path / "a.yaml"
    base.write_text("transform: {crop: [64, 64], blur: 0.9, hue: 0.3, flip: 0.1}")
    path.write_text("base: base.yaml\ntransform: {preset: dabnet, hue: 0.2}")
    transform = load_config(path).transform
    assert (transform.crop, transform.hue, transform.blur, transform.flip) == ((1024, 1024), 0.2, 0.0, 0.5)
    assert transform.brightness == 32 / 255
    assert load_config(path, ["transform.crop=[96, 128]"]).transform.crop == (96, 128)
    assert load_config(path, ["transform.preset=galdnet"]).transform.hue == 0.0
    with pytest.raises(ConfigError, match=r"no preset 'dabbnet'.*dabnet"):
        load_config(None, ["transform.preset=dabbnet"])


def test_galdnet_s_scales():
    """0.7 + randint(0, 14) / 10."""
    assert PRESETS["galdnet"]["scales"] == [0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.1]


# Sizes and places


def _sizes(transform, size, draws=400):
    rng = _rng()
    return [transform._size(size, rng) for _ in range(draws)]


def test_the_long_or_the_short_side_has_a_drawn_length():
    for size in ((60, 80), (80, 60)):
        longs = _sizes(TrainTransform(long_side=(40, 44)), size)
        assert {max(s) for s in longs} == {40, 41, 42, 43, 44}
        assert {(min(s), max(s)) for s in longs} == {(30, 40), (31, 41), (32, 42), (32, 43), (33, 44)}
        assert all((s[0] > s[1]) == (size[0] > size[1]) for s in longs)
        assert {min(s) for s in _sizes(TrainTransform(short_side=(30, 32)), size)} == {30, 31, 32}


def test_keeping_the_ratio_fits_into_both_sides():
    fit = TrainTransform(resize=(512, 2048), keep_ratio=True, scale=(1, 1))
    assert _sizes(fit, (480, 640), 1) == [(512, 683)]
    assert _sizes(fit, (640, 480), 1) == [(683, 512)]
    assert _sizes(fit, (100, 1000), 1) == [(205, 2048)]
    assert _sizes(TrainTransform(resize=(512, 2048), scale=(0.5, 0.5)), (480, 640), 1) == [(256, 1024)]


@pytest.mark.parametrize(
    "settings",
    [
        {"long_side": (40, 44), "scales": (1.0,)},
        {"long_side": (40, 44), "short_side": (40, 44)},
        {"resize": (40, 44), "short_side": (40, 44)},
        {"long_side": (44, 40)},
        {"preset": "nothing"},
        {"enhance": 1.0},
        {"cutmix": 2.0},
    ],
)
def test_contradictions(settings):
    with pytest.raises(ConfigError):
        TrainTransform(**settings)


def test_an_inset_cuts_as_much_left_as_right_and_fills_the_size_again():
    columns = np.tile(np.arange(80, dtype=np.uint8), (60, 1))
    image = np.repeat(columns[:, :, None], 3, axis=2)
    transform = TrainTransform(resize=(60, 80), crop=(60, 80), scale=(1, 1), inset=9, flip=0, normalize=PLAIN)
    margins = set()
    for seed in range(80):
        pixels, label = transform(image, columns, _rng(seed))
        assert label[0, 0] + label[0, -1] == 79
        assert abs(pixels[0, 0, 0] - label[0, 0]) <= 1
        margins.add(int(label[0, 0]))
    assert margins == set(range(10))


def test_upside_down_and_centred():
    image, label = _picture(20, 30), _rng(1).integers(0, 5, (20, 30)).astype(np.uint8)
    plain = {"crop": (41, 50), "scale": (1, 1), "flip": 0.0, "normalize": PLAIN}
    turned = TrainTransform(**plain, flip_vertical=1.0)(image, label, _rng())
    np.testing.assert_array_equal(turned[1][:20, :30], label[::-1])
    np.testing.assert_array_equal(turned[0][:, :20, :30], image[::-1].transpose(2, 0, 1))
    centred = TrainTransform(**plain, pad="centre")(image, label, _rng())
    np.testing.assert_array_equal(centred[1][10:30, 10:40], label)
    np.testing.assert_array_equal(centred[0][:, 10:30, 10:40], image.transpose(2, 0, 1))
    assert (centred[1] == IGNORE).sum() == 41 * 50 - 600
    assert centred[0].sum() == image.sum()


def test_enhancements_by_their_formulas():
    image = _picture(seed=3)
    grey = np.full((8, 8, 3), 90, np.uint8)
    same, changed = 0, 0
    for seed in range(40):
        out = enhance_colors(image, _rng(seed), 0.25, 0.3)
        same += np.array_equal(out, image)
        changed += np.abs(out.astype(int) - image).max() > 100
        # A flat grey has no colour, no contrast and nothing to sharpen: brightness alone moves it.
        u = _rng(seed).random(8)
        factor = 1 + (2 * u[1] - 1) * 0.25 if u[0] < 0.3 else 1.0
        np.testing.assert_array_equal(enhance_colors(grey, _rng(seed), 0.25, 0.3), np.rint(90 * factor))
    assert 4 < same < 20  # 0.7 ** 4 of them
    assert changed < 20


# Mixing


def test_cutmix_s_rectangles():
    rng = _rng()
    boxes = [mix_box((40, 60), rng) for _ in range(2000)]
    areas = np.array([(r.stop - r.start) * (c.stop - c.start) / 2400 for r, c in boxes])
    assert abs(areas.mean() - 0.5) < 0.02
    assert all(r.stop <= 40 and c.stop <= 60 and r.start >= 0 and c.start >= 0 for r, c in boxes)
    assert {r.start == 0 for r, _ in boxes} == {True, False}


def test_classmix_takes_half_of_the_classes_and_nothing_ignored():
    label = np.repeat(np.array([[0, 1, 2, 5, 9, IGNORE]]), 4, axis=0)
    seen = Counter()
    for seed in range(200):
        mask = mix_classes(label, _rng(seed))
        chosen = {int(v) for v in np.unique(label[mask])}
        assert len(chosen) == 3
        assert (np.isin(label, list(chosen)) == mask).all()
        seen.update(chosen)
    assert set(seen) == {0, 1, 2, 5, 9}


class Flat(Dataset):
    """Sample i is a picture of value i whose left half is class i % 4; the right half is class 3."""

    name = "flat"
    space = LabelSpace(("a", "b", "c", "d"), np.zeros((4, 3), np.uint8))
    splits = ("train",)

    def __len__(self):
        return 9

    def __getitem__(self, index):
        label = np.full((16, 16), 3, np.uint8)
        label[:, :8] = index % 4 if index else 0
        return Sample(np.full((16, 16, 3), index, np.uint8), label, str(index))

    def name_of(self, index):
        return str(index)


def _flat(epochs=1, sampling=None, counts=None, **settings):
    transform = TrainTransform(crop=(16, 16), scale=(1, 1), flip=0.0, normalize=PLAIN, **settings)
    return TrainingSamples(Flat("train"), transform, 5, 9, epochs, sampling=sampling or Sampling(), counts=counts)


@pytest.mark.parametrize("way", ["cutmix", "copy_paste"])
def test_a_mixed_sample_is_made_of_two(way):
    mixed, plain = _flat(4, **{way: 1.0}), _flat(4)
    partners = set()
    for i in range(36):
        image, label = mixed[i]
        values = np.unique(image)
        assert len(values) <= 2
        own = plain[i][0][0, 0, 0]
        for value in values:
            there = image[0] == value
            np.testing.assert_array_equal(label[there], Flat("train")[int(value)].label[there])
        partners.update(values[values != own].tolist())
        np.testing.assert_array_equal(mixed[i][0], image)
    assert len(partners) > 6


def test_mixing_changes_nothing_else():
    samples = _flat(1, cutmix=0.4)
    untouched = [i for i in range(9) if np.array_equal(samples[i][0], _flat()[i][0])]
    assert 0 < len(untouched) < 9


# Sampling


def test_each_is_as_ever():
    assert [v.index for v in epoch_visits(8, 1, 0, Sampling(), None)] == [2, 4, 7, 5, 0, 6, 3, 1]


def _counts():
    counts = np.zeros((50, 4), np.int64)
    counts[:, 0] = 1000
    counts[:10, 1] = 100
    counts[:2, 2] = 10
    return counts  # class 3 never


def test_class_uniform_shows_every_class_alike():
    visits = [v for e in range(40) for v in epoch_visits(50, 3, e, Sampling("class_uniform", share=0.6), _counts())]
    shown = Counter(v.focus for v in visits)
    assert shown[None] == 40 * 20
    assert {shown[c] for c in (0, 1, 2)} <= set(range(395, 406))
    assert shown[3] == 0
    assert all(v.index < 2 for v in visits if v.focus == 2)
    assert {v.index for v in visits} == set(range(50))


def test_rare_classes_are_drawn_more_often():
    """By softmax((1 - f) / T): f = 50000, 1000, 20 of 51020."""
    visits = [v for e in range(80) for v in epoch_visits(50, 3, e, Sampling("rare_class", 0.05), _counts())]
    shares = np.array([50000, 1000, 20]) / 51020
    wanted = np.exp((1 - shares) / 0.05) / np.exp((1 - shares) / 0.05).sum()
    found = np.array([sum(v.focus == c for v in visits) for c in range(3)]) / len(visits)
    np.testing.assert_allclose(found, wanted, atol=0.03)


def test_a_sample_shown_twice_is_not_the_same_twice():
    counts = np.zeros((9, 4), np.int64)
    counts[4, 1] = 5
    samples = TrainingSamples(
        Roadscape("train", size=(60, 80), train=9),
        TrainTransform(crop=(24, 24)),
        1,
        9,
        2,
        sampling=Sampling("rare_class"),
        counts=counts,
    )
    assert [samples.visit(i).index for i in range(9)] == [4] * 9
    assert [samples.visit(i).repeat for i in range(9)] == list(range(9))
    assert len({samples[i][0].tobytes() for i in range(9)}) == 9


def test_the_crop_shows_the_class_it_was_drawn_for():
    label = np.zeros((100, 200), np.uint8)
    label[70:72, 150:153] = 7
    places = set()
    for seed in range(60):
        window = draw_window_with(label, 7, (150, 300), (40, 50), _rng(seed))
        rows, columns = window
        assert rows.stop - rows.start == 40
        assert columns.stop - columns.start == 50
        assert rows.start <= 108
        assert rows.stop > 105
        places.add((rows.start, columns.start))
        transform = TrainTransform(crop=(40, 50), scale=(0.8, 2.0))
        assert 7 in transform(_picture(100, 200), label, _rng(seed), focus=7)[1]
    assert len(places) > 30
    assert draw_window_with(label, 3, (150, 300), (40, 50), _rng()) is None


def test_counts_of_pixels():
    counts = count_pixels(Flat("train"), range(9))
    assert counts.shape == (9, 4)
    np.testing.assert_array_equal(counts.sum(axis=1), 256)
    assert counts[1].tolist() == [0, 128, 0, 128]
    assert count_pixels(Flat("train"), range(0)).shape == (0, 4)


def test_sampling_is_a_setting():
    config = load_config(None, ["data.sampling={kind: rare_class, temperature: 0.1}"])
    assert config.data.sampling == Sampling("rare_class", 0.1)
    for wrong in (
        "data.sampling.kind=rare",
        "data.sampling={kind: class_uniform, share: 2}",
        "data.sampling.share=0.2",
    ):
        with pytest.raises(ConfigError):
            load_config(None, [wrong])

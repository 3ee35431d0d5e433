"""Drawn scenes: reproducible, complete, the same at every size."""

import hashlib
import multiprocessing
import pickle

import cv2
import numpy as np
import pytest

from core.data import IGNORE, open_dataset
from core.data.datasets.roadscape import Roadscape
from core.errors import DataError

SMALL = {"size": (90, 120), "train": 24, "cache": False}


def _digest(index: int, **options) -> str:
    sample = Roadscape("train", **{**SMALL, **options})[index]
    return hashlib.sha256(sample.image.tobytes() + sample.label.tobytes()).hexdigest()


def test_a_scene_depends_on_seed_split_and_index_alone():
    assert _digest(3) == _digest(3, train=99)
    assert len({_digest(3), _digest(4), _digest(3, seed=1)}) == 3
    dataset = Roadscape("train", **SMALL)
    dataset[5], dataset[0]  # what was drawn before does not matter
    sample = dataset[3]
    assert hashlib.sha256(sample.image.tobytes() + sample.label.tobytes()).hexdigest() == _digest(3)
    val = Roadscape("val", **SMALL)[3]
    assert not np.array_equal(val.image, sample.image)


def test_workers_and_threads_draw_the_same():
    here = [_digest(i) for i in range(4)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(_digest, range(4)) == here
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(0)
        assert [_digest(i) for i in range(4)] == here
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.parametrize("size", [(180, 240), (97, 131), (64, 256), (160, 96)])
def test_any_size(size):
    sample = Roadscape("train", size=size, cache=False)[1]
    assert sample.image.shape == (*size, 3)
    assert sample.label.shape == size
    assert sample.image.dtype == sample.label.dtype == np.uint8


def test_sizes_show_the_same_scene():
    for index in range(3):
        small = Roadscape("train", size=(120, 160), cache=False)[index]
        large = Roadscape("train", size=(240, 320), cache=False)[index]
        assert (large.label[::2, ::2] == small.label).mean() > 0.9
        shrunk = cv2.resize(large.image, (160, 120), interpolation=cv2.INTER_AREA)
        assert np.abs(shrunk.astype(int) - small.image).mean() < 12


def test_all_classes_occur_and_void_is_rare():
    dataset = Roadscape("train", **SMALL)
    counts = sum(np.bincount(dataset[i].label.ravel(), minlength=256) for i in range(24))
    shares = counts / counts.sum()
    assert (shares[:11] > 0.0005).all(), dict(zip(dataset.classes, shares[:11].round(4), strict=True))
    assert 0.001 < shares[IGNORE] < 0.12
    assert shares[11:255].sum() == 0
    assert shares[:11].max() < 0.5


def test_labels_belong_to_the_picture():
    """Sky is above the road, and each class' colours are narrower than the whole picture's."""
    dataset = Roadscape("train", **SMALL)
    for i in range(8):
        sample = dataset[i]
        rows = np.arange(90)[:, None] + np.zeros((1, 120), int)
        assert rows[sample.label == 0].mean() < rows[sample.label == 3].mean() - 15
        grey = sample.image.mean(axis=2)
        within = sum(grey[sample.label == c].var() * (sample.label == c).mean() for c in np.unique(sample.label))
        assert within < 0.8 * grey.var()


def test_cache_gives_the_same_arrays_and_stays_out_of_pickles():
    dataset = Roadscape("train", size=(90, 120), train=24)
    first = dataset[3]
    assert dataset[3] is first
    assert hashlib.sha256(first.image.tobytes() + first.label.tobytes()).hexdigest() == _digest(3)
    assert len(pickle.dumps(dataset)) < 2000
    with pytest.raises(ValueError, match="read-only"):
        first.image[0] = 0


def test_registry_and_errors():
    dataset = open_dataset("roadscape", "val", size=[64, 80])
    assert (len(dataset), dataset.num_classes, dataset.palette.shape) == (32, 11, (11, 3))
    assert dataset.location(7) == "roadscape/val/val_00007"
    with pytest.raises(IndexError):
        dataset[32]
    with pytest.raises(DataError, match="size"):
        open_dataset("roadscape", "val", size=(8, 8))
    with pytest.raises(DataError, match="no split 'trainval'"):
        open_dataset("roadscape", "trainval")

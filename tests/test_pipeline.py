"""The samples of a run: every epoch complete, the same bytes whoever reads them, errors with names."""

import hashlib
import multiprocessing
import pickle
from collections import Counter

import numpy as np
import pytest

from core.data import Dataset, LabelSpace, Sample
from core.data.datasets.roadscape import Roadscape
from core.data.normalization import Normalize
from core.data.pipeline import EvaluationSamples, TrainingSamples, collate
from core.data.sampler import epoch_order, sample_generator
from core.data.transforms import EvalTransform, TrainTransform
from core.errors import DataError

ORDER = [2, 4, 7, 5, 0, 6, 3, 1]
NUMBERS = [0.6126759110572803, 0.9631317754449005, 0.02662645505986516]


class Numbered(Dataset):
    """Sample i is a picture of value i."""

    name = "numbered"
    classes = ("a", "b")
    space = LabelSpace(("a", "b"), np.zeros((2, 3), np.uint8))
    splits = ("train", "bad")

    def __len__(self):
        return 10

    def __getitem__(self, index):
        if self.split == "bad" and index == 4:
            return Sample(np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8), "four")  # two axes: not a picture
        return Sample(np.full((8, 8, 3), index, np.uint8), np.zeros((8, 8), np.uint8), str(index))

    def name_of(self, index):
        return "four" if index == 4 else str(index)


def _run(start=0, seed=7, batch_size=4, iterations=13, split="train"):
    transform = TrainTransform(crop=(8, 8), scale=(1, 1), normalize=Normalize((0, 0, 0)))
    return TrainingSamples(Numbered(split), transform, seed, batch_size, iterations, start)


def test_every_epoch_visits_each_sample_once():
    seen = [int(image[0, 0, 0]) for image, _ in _run()]
    assert len(seen) == 52
    epochs = [seen[i : i + 10] for i in range(0, 50, 10)]
    assert all(Counter(epoch) == Counter(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 5


def test_resuming_at_any_iteration_continues_the_same_sequence():
    whole = [int(image[0, 0, 0]) for image, _ in _run()]
    for start in range(14):
        rest = _run(start)
        assert len(rest) == (13 - start) * 4
        assert [int(image[0, 0, 0]) for image, _ in rest] == whole[start * 4 :]


def test_batch_names():
    run = _run(start=5)
    assert run.batch_names(5) == [f"numbered/train/{run.dataset.name_of(int(run[i][0][0, 0, 0]))}" for i in range(4)]


def test_random_numbers_are_fixed_forever():
    """A change here makes every published run irreproducible."""
    assert epoch_order(8, 1, 0).tolist() == ORDER
    assert sample_generator(1, 2, 3).random(3).tolist() == pytest.approx(NUMBERS, abs=1e-15)
    assert epoch_order(8, 1, 1).tolist() != ORDER
    assert sample_generator(1, 3, 2).random() != NUMBERS[0]


def _scene_samples(start=0):
    transform = TrainTransform(
        crop=(48, 64), brightness=0.125, contrast=0.5, saturation=0.5, hue=0.1, blur=0.3, cat_max_ratio=0.75
    )
    dataset = Roadscape("train", size=(60, 80), train=6)
    return TrainingSamples(dataset, transform, seed=3, batch_size=4, iterations=6, start_iteration=start)


def _digest(item):
    samples, index = item
    image, label = samples[index]
    return hashlib.sha256(image.tobytes() + label.tobytes()).hexdigest()


def test_bytes_are_the_same_for_any_workers_and_after_resuming():
    samples = _scene_samples()
    alone = [_digest((samples, i)) for i in range(24)]
    assert len(set(alone)) == 24  # another crop in every epoch
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        shared = pool.map(_digest, [(samples, i) for i in range(24)], chunksize=5)
    assert shared == alone
    resumed = _scene_samples(start=3)
    backwards = [_digest((resumed, i)) for i in reversed(range(12))]
    assert backwards[::-1] == alone[12:]


def test_epoch_of_a_sample_does_not_depend_on_the_batch_size():
    first = _run(batch_size=4, iterations=10)
    second = _run(batch_size=5, iterations=8)
    for i in range(40):
        np.testing.assert_array_equal(first[i][0], second[i][0])


def test_samples_pickle_small_and_whole():
    samples = _scene_samples()
    samples[0]
    data = pickle.dumps(samples)
    assert len(data) < 5000
    np.testing.assert_array_equal(pickle.loads(data)[5][0], samples[5][0])


def test_out_of_range_and_wrong_arguments():
    run = _run()
    with pytest.raises(IndexError):
        run[52]
    with pytest.raises(IndexError):
        run[-1]
    for arguments in ({"batch_size": 0}, {"start": 14}, {"seed": -1}):
        with pytest.raises(DataError):
            _run(**arguments)


def test_an_error_names_the_sample():
    run = _run(split="bad")
    place = next(i for i in range(10) if run.locate(i)[1] == 4)
    with pytest.raises(DataError, match="numbered/bad/four"):
        run[place]
    with pytest.raises(DataError, match="numbered/bad/four"):
        EvaluationSamples(run.dataset, EvalTransform())[4]


def test_evaluation_samples_keep_order_and_label_size():
    dataset = Roadscape("val", size=(60, 80), val=3)
    samples = EvaluationSamples(dataset, EvalTransform())
    assert len(samples) == 3
    for i in range(3):
        image, label = samples[i]
        assert image.shape == (3, 60, 80)
        np.testing.assert_array_equal(label, dataset[i].label)
        assert label.dtype == np.int64


def test_collate():
    samples = _scene_samples()
    images, labels = collate([samples[i] for i in range(4)])
    assert (images.dtype, images.shape) == (np.float32, (4, 3, 48, 64))
    assert (labels.dtype, labels.shape) == (np.int64, (4, 48, 64))
    np.testing.assert_array_equal(images[2], samples[2][0])
    one, other = samples[0], (samples[1][0][:, :40], samples[1][1][:40])
    with pytest.raises(DataError, match=r"one size.*\(3, 40, 64\).*crop"):
        collate([one, other])

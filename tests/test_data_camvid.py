"""CamVid: the published lists, the label table, and broken copies."""

import pickle

import cv2
import numpy as np
import pytest

from core.data import IGNORE, open_dataset
from core.errors import DataError
from tests.shared_paths import require_shared


@pytest.mark.parametrize(("split", "length"), [("train", 367), ("val", 101), ("trainval", 468), ("test", 233)])
def test_published_splits(split, length):
    dataset = open_dataset("camvid", split, require_shared("data/camvid"))
    assert len(dataset) == length
    assert len({dataset.name_of(i) for i in range(length)}) == length
    sample = dataset[length - 1]
    assert sample.image.shape == (360, 480, 3)
    assert sample.image.dtype == np.uint8
    assert sample.label is not None
    assert sample.label.shape == (360, 480)
    assert sample.name == dataset.name_of(length - 1)
    assert set(np.unique(sample.label)) <= {*range(11), IGNORE}


def test_void_is_ignored_and_nothing_else_changes():
    root = require_shared("data/camvid")
    dataset = open_dataset("camvid", "val", root)
    stored = cv2.imread(str(root / "valannot" / f"{dataset.name_of(0)}.png"), cv2.IMREAD_UNCHANGED)
    label = dataset[0].label
    assert (stored == 11).any()
    np.testing.assert_array_equal(label == IGNORE, stored == 11)
    np.testing.assert_array_equal(label[stored != 11], stored[stored != 11])


def _write(root, split="train", names=("b", "a"), size=(12, 16), listed=True):
    (root / split).mkdir(parents=True)
    (root / f"{split}annot").mkdir()
    for i, name in enumerate(names):
        cv2.imwrite(str(root / split / f"{name}.png"), np.full((*size, 3), 10 * i, np.uint8))
        cv2.imwrite(str(root / f"{split}annot" / f"{name}.png"), np.full(size, i, np.uint8))
    if listed:
        lines = [f"/elsewhere/{split}/{name}.png /elsewhere/{split}annot/{name}.png" for name in names]
        (root / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return root


def test_order_is_the_lists_or_alphabetical(tmp_path):
    dataset = open_dataset("camvid", "train", _write(tmp_path / "listed"))
    assert [dataset.name_of(i) for i in range(2)] == ["b", "a"]
    dataset = open_dataset("camvid", "train", _write(tmp_path / "folder", listed=False))
    assert [dataset.name_of(i) for i in range(2)] == ["a", "b"]
    assert pickle.loads(pickle.dumps(dataset))[0].name == "a"


def test_label_out_of_range(tmp_path):
    root = _write(tmp_path)
    cv2.imwrite(str(root / "trainannot" / "a.png"), np.array([[0, 12] * 8, [77, 11] * 8] * 6, np.uint8))
    dataset = open_dataset("camvid", "train", root)
    with pytest.raises(DataError, match=r"trainannot/a\.png: label values out of range: 12, 77; allowed are 0-11, 255"):
        dataset[1]


def test_label_of_another_size(tmp_path):
    root = _write(tmp_path)
    cv2.imwrite(str(root / "trainannot" / "a.png"), np.zeros((12, 15), np.uint8))
    with pytest.raises(DataError, match=r"trainannot/a\.png.*15x12.*train/a\.png is 16x12"):
        open_dataset("camvid", "train", root)[1]


def test_corrupt_image(tmp_path):
    root = _write(tmp_path)
    (root / "train" / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"train/a\.png: not an image"):
        open_dataset("camvid", "train", root)[1]


def test_missing_files(tmp_path):
    root = _write(tmp_path)
    (root / "trainannot" / "a.png").unlink()
    with pytest.raises(DataError, match=r"1 of 2 pictures .* no label file: .*train/a\.png"):
        open_dataset("camvid", "train", root)
    unlabelled = open_dataset("camvid", "train", root, require_labels=False)
    assert unlabelled[1].label is None
    (root / "train" / "a.png").unlink()
    with pytest.raises(DataError, match=r"train\.txt:2: there is no picture .*train/a\.png"):
        open_dataset("camvid", "train", root)


def test_malformed_list(tmp_path):
    root = _write(tmp_path)
    (root / "train.txt").write_text("train/b.png trainannot/b.png\n\nval/a.png valannot/a.png\n")
    with pytest.raises(DataError, match=r"train\.txt:3: expected"):
        open_dataset("camvid", "train", root)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("camvit", "train"), "no data set 'camvit'.*did you mean 'camvid'"),
        (("camvid", "training"), "no split 'training'.*train, val, trainval, test"),
        (("camvid", "train"), r"camvid.*data\.root"),
        (("camvid", "train", "/nowhere/at/all"), "/nowhere/at/all: there is no such folder"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(DataError, match=message):
        open_dataset(*arguments)


def test_unknown_option_and_empty_split(tmp_path):
    with pytest.raises(DataError, match=r"no option 'require_label'.*did you mean 'require_labels'"):
        open_dataset("camvid", "train", tmp_path, require_label=False)
    with pytest.raises(DataError, match="holds no pictures"):
        open_dataset("camvid", "train", tmp_path)


def test_void_can_be_a_twelfth_class() -> None:
    root = require_shared("data/camvid")
    plain, with_void = (open_dataset("camvid", "val", root, void_class=flag) for flag in (False, True))
    ignored, kept = plain[0].label, with_void[0].label
    assert ignored is not None and kept is not None  # noqa: PT018
    assert with_void.num_classes == 12
    assert with_void.classes[11] == "Void"
    assert np.array_equal(ignored == 255, kept == 11)
    assert np.array_equal(kept[kept != 11], ignored[kept != 11])
    assert plain.num_classes == 11

"""Cityscapes: the folder layout, the table of label ids, and frames without labels."""

import shutil

import cv2
import numpy as np
import pytest

from core.data import IGNORE, open_dataset
from core.data.datasets.base import map_label
from core.data.datasets.images import read_label
from core.errors import DataError
from tests.shared_paths import require_shared

FOLDER = "gtFine/val/frankfurt"


def test_label_ids_map_to_the_published_train_ids():
    root = require_shared("data/cityscapes")
    dataset = open_dataset("cityscapes", "val", root, labelled_only=True)
    compared = 0
    for ids in sorted((root / FOLDER).glob("*_labelIds.png")):
        train_ids = ids.with_name(ids.name.replace("labelIds", "labelTrainIds"))
        if train_ids.is_file():
            np.testing.assert_array_equal(
                map_label(read_label(ids), dataset.label_table(ids), ids), read_label(train_ids)
            )
            compared += 1
    assert compared >= 1


def test_label_ids_are_read_where_train_ids_are_absent(tmp_path):
    source = require_shared("data/cityscapes")
    root = shutil.copytree(source, tmp_path / "copy")
    before = open_dataset("cityscapes", "val", source, labelled_only=True)
    for path in (root / FOLDER).glob("*_labelTrainIds.png"):
        path.unlink()
    after = open_dataset("cityscapes", "val", root, labelled_only=True)
    assert [after.name_of(i) for i in range(2)] == [before.name_of(i) for i in range(2)]
    assert after.pairs[0].label.name.endswith("_labelIds.png")
    np.testing.assert_array_equal(after[0].label, before[0].label)


def test_frames():
    root = require_shared("data/cityscapes")
    dataset = open_dataset("cityscapes", "val", root, labelled_only=True)
    assert [dataset.name_of(i) for i in range(len(dataset))] == ["frankfurt_000000_002196", "frankfurt_000001_058914"]
    sample = dataset[0]
    assert sample.image.shape == (1024, 2048, 3)
    assert set(np.unique(sample.label)) <= {*range(19), IGNORE}


def test_palette_gives_the_official_colour_file():
    root = require_shared("data/cityscapes")
    dataset = open_dataset("cityscapes", "val", root, labelled_only=True)
    color_file = root / FOLDER / f"{dataset.name_of(0)}_gtFine_color.png"
    official = cv2.cvtColor(cv2.imread(str(color_file)), cv2.COLOR_BGR2RGB)
    label = dataset[0].label
    known = label != IGNORE
    np.testing.assert_array_equal(dataset.palette[label[known]], official[known])


def test_frames_without_labels():
    root = require_shared("data/cityscapes")
    with pytest.raises(
        DataError, match=r"2 of 4 pictures of cityscapes/val have no label file: .*frankfurt_000000_000294"
    ):
        open_dataset("cityscapes", "val", root)
    dataset = open_dataset("cityscapes", "val", root, require_labels=False)
    assert len(dataset) == 4
    assert dataset[0].label is None


def test_test_labels_are_not_public(tmp_path):
    folder = tmp_path / "leftImg8bit" / "test" / "berlin"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "berlin_000000_000019_leftImg8bit.png"), np.zeros((4, 8, 3), np.uint8))
    with pytest.raises(DataError, match="not public"):
        open_dataset("cityscapes", "test", tmp_path)
    dataset = open_dataset("cityscapes", "test", tmp_path, require_labels=False)
    assert dataset[0].name == "berlin_000000_000019"
    assert dataset[0].label is None


def test_wrong_folder_and_wrong_ids(tmp_path):
    with pytest.raises(DataError, match="leftImg8bit/val: there is no such folder"):
        open_dataset("cityscapes", "val", tmp_path)
    for kind, name, pixels in (
        ("leftImg8bit", "leftImg8bit", np.zeros((2, 2, 3), np.uint8)),
        ("gtFine", "gtFine_labelIds", np.array([[34, 7], [0, 254]], np.uint8)),
    ):
        folder = tmp_path / kind / "val" / "x"
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / f"x_0_1_{name}.png"), pixels)
    with pytest.raises(
        DataError, match=r"x_0_1_gtFine_labelIds\.png: label values out of range: 34, 254; .* 0-33, 255"
    ):
        open_dataset("cityscapes", "val", tmp_path)[0]

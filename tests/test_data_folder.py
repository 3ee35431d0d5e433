"""`folder`: any data set from a description: patterns, lists, numbers, colours, splits."""

import re
import unicodedata

import cv2
import numpy as np
import pytest

from core.config import dump_config, load_config
from core.data import IGNORE, label_space, open_dataset
from core.errors import ConfigError, DataError, SplitMissing

CLASSES = ("sky", "road", "car")


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, np.ndarray) and content.ndim == 3:
        content = content[..., ::-1]
    path.write_bytes(cv2.imencode(path.suffix, content)[1].tobytes() if isinstance(content, np.ndarray) else content)
    return path


def plant(root, names, image="images/{}.jpg", label="labels/{}.png", values=(0, 1, 2)):
    for number, name in enumerate(names):
        write(root / image.format(name), np.full((6, 8, 3), number, np.uint8))
        if label:
            write(root / label.format(name), np.resize(np.array(values, np.uint8), (6, 8)))
    return root


def opened(root, split="train", **options):
    return open_dataset("folder", split, root, **{"classes": CLASSES, "fractions": {"train": 1.0}, **options})


@pytest.mark.parametrize(
    ("image", "label", "options"),
    [
        ("images/{}.jpg", "labels/{}.png", {}),
        ("images/x y/{}.JPG", "labels/x y/{}.png", {}),
        ("{}_leftImg8bit.png", "{}_mask.png", {"images": "*.png", "labels": "*_mask.png"}),
        ("img_{}.jpeg", "gt_{}_L.bmp", {"images": "img_*.jpeg", "labels": "gt_*_L.bmp"}),
        ("a/b/{}.png", "flat/{}.png", {"images": "a/**/*.png", "labels": "flat/*.png"}),
        ("train/im/{}.png", "train/an/{}.png", {"images": "{split}/im/*", "labels": "{split}/an/*", "fractions": None}),
        ("p/{}.png", "m/{}.tif", {"images": ("p/*.png", "q/*.jpg"), "labels": ("m/*.t*f",)}),
    ],
)  # fmt: skip
def test_pairs_by_what_wildcards_stand_for(tmp_path, image, label, options):
    names = ["b one", "a", "é", "[1]"]
    plant(tmp_path, names, image, label)
    companion = tmp_path / image.format("a")
    write(companion.with_name(f"._{companion.name}"), b"\0\5\x16\7")
    if options.get("images") == "*.png":
        for name in names:
            (tmp_path / image.format(name)).rename(tmp_path / f"{name}.png")
    dataset = opened(tmp_path, **options)
    assert len(dataset) == len(names)
    for pair in dataset.pairs:
        name = next(name for name in names if name in pair.image.name.removeprefix("img_"))
        assert name in pair.label.name
        assert pair.name.endswith(name)
    assert dataset[0].label.ravel()[:4].tolist() == [0, 1, 2, 0]


def test_absolute_patterns_and_accents_of_macos(tmp_path):
    plant(tmp_path / "elsewhere", [unicodedata.normalize("NFD", "é")], label=None)
    plant(tmp_path / "root", ["é"])
    dataset = opened(tmp_path / "root", images=f"{tmp_path}/elsewhere/images/*.jpg", labels="labels/*.png")
    assert len(dataset) == 1
    assert dataset.pairs[0].label.stem == "é"


def test_what_pairs_two_is_refused_and_labels_alone_are_known(tmp_path):
    plant(tmp_path, ["a", "b"])
    write(tmp_path / "labels" / "c.png", np.zeros((6, 8), np.uint8))
    assert [path.name for path in opened(tmp_path).orphans] == ["c.png"]
    write(tmp_path / "images" / "a.png", np.zeros((6, 8, 3), np.uint8))
    with pytest.raises(DataError, match=r"a\.jpg and .*a\.png: the pattern 'images/\*\*/\*\.\*' pairs both"):
        opened(tmp_path)


def test_missing_labels(tmp_path):
    plant(tmp_path, ["a", "b"])
    (tmp_path / "labels" / "a.png").unlink()
    with pytest.raises(DataError, match=r"1 of 2 pictures of folder/train have no label file: .*a\.jpg"):
        opened(tmp_path)
    assert len(opened(tmp_path, labelled_only=True)) == 1
    assert opened(tmp_path, require_labels=False)[0].label is None
    assert opened(tmp_path, labels=None, require_labels=False)[1].label is None
    with pytest.raises(SplitMissing, match=r"no picture fits 'pictures/\*\.jpg' \(data\.options\.images"):
        opened(tmp_path, images="pictures/*.jpg")


LIST = "images/b one.jpg labels/b one.png\n\nimages/a.jpg  labels/é.png\n"


@pytest.mark.parametrize(
    "text",
    [
        LIST,
        LIST.replace("\n", "\r\n"),
        "\ufeff# by hand\n" + LIST,
        LIST.replace("jpg ", "jpg\t"),
        LIST.replace("jpg ", "jpg,"),
        LIST.replace("jpg ", "jpg ; "),
        LIST.replace("/", "\\"),
        LIST.replace("images/", "{root}/images/").replace("labels/", "{root}/labels/"),
        LIST.replace("images/", "../images/").replace("labels/", "../labels/"),
    ],
    ids=["blanks", "CRLF", "mark", "tabs", "commas", "semicolons", "backslashes", "absolute", "beside the list"],
)
def test_lists(tmp_path, text):
    plant(tmp_path, ["b one", "a"])
    (tmp_path / "labels" / "a.png").rename(tmp_path / "labels" / "é.png")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "mine.txt").write_bytes(text.replace("{root}", str(tmp_path)).encode())
    dataset = opened(tmp_path, "mine", lists={"mine": "lists/mine.txt"}, fractions=None)
    assert [(pair.image.name, pair.label.name) for pair in dataset.pairs] == [
        ("b one.jpg", "b one.png"),
        ("a.jpg", "é.png"),
    ]


@pytest.mark.parametrize("text", ["b one\na", "b one.jpg\na.jpg", "images/b one.jpg\nimages/a.jpg"])
def test_lists_of_names(tmp_path, text):
    plant(tmp_path, ["b one", "a", "c"])
    (tmp_path / "train.txt").write_text(text)
    dataset = opened(tmp_path, lists={"train": "train.txt"}, fractions=None)
    assert [pair.label.name for pair in dataset.pairs] == ["b one.png", "a.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("images/a.jpg\nimages/none.jpg", r"train\.txt:2: there is no picture 'images/none\.jpg'"),
        ("images/a.jpg labels/none.png", r"train\.txt:1: the label map 'labels/none\.png' of .*a\.jpg is not there"),
        ("images/a.jpg\nimages/a.jpg", r"train\.txt:2: .*a\.jpg is listed twice"),
    ],
)
def test_lists_that_name_nothing(tmp_path, text, message):
    plant(tmp_path, ["a"])
    (tmp_path / "train.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        opened(tmp_path, lists={"train": "train.txt"}, fractions=None)


def test_splits_by_fraction_depend_on_names_and_seed_alone(tmp_path):
    names = [f"n{number:02}" for number in range(40)]
    plant(tmp_path / "one", names)
    plant(tmp_path / "two", names[::-1])
    shares = {"train": 0.5, "val": 0.25, "test": 0.25}

    def parts(root, seed=0):
        return {
            split: [pair.name for pair in opened(root, split, fractions=shares, seed=seed).pairs] for split in shares
        }

    first = parts(tmp_path / "one")
    assert {split: len(found) for split, found in first.items()} == {"train": 20, "val": 10, "test": 10}
    assert sorted(name for found in first.values() for name in found) == names
    assert first == parts(tmp_path / "two")
    assert first != parts(tmp_path / "one", seed=1)
    plant(tmp_path / "one", ["new"])
    moved = parts(tmp_path / "one")
    assert sum(name in moved["train"] for name in first["train"]) >= 18
    few = plant(tmp_path / "few", ["a", "b", "c"])
    assert [len(opened(few, split, fractions={"train": 0.9, "val": 0.05, "test": 0.05})) for split in shares] == [1] * 3
    with pytest.raises(DataError, match=r"no split 'dev' .it has: train, val"):
        open_dataset("folder", "dev", few, classes=CLASSES)


@pytest.mark.parametrize(
    ("options", "stored", "expected"),
    [
        ({}, [0, 1, 2, 255], [0, 1, 2, 255]),
        ({"zero_means": "unlabelled"}, [0, 1, 3, 255], [255, 0, 2, 255]),
        ({"values": {"sky": 23, "road": [7, 8], "car": 26}, "ignore": (0,)}, [0, 7, 8, 23], [255, 1, 1, 0]),
        ({"values": {"sky": 0, "car": 255}}, [0, 255], [0, 2]),
        ({"others": "ignored"}, [0, 9, 200, 255], [0, 255, 255, 255]),
        ({"values": {"sky": 0, "car": 255}, "others": "nearest"}, [3, 250, 127, 128], [0, 2, 0, 2]),
        ({"ignore": (9,)}, [0, 9], [0, 255]),
    ],
)
def test_numbers(tmp_path, options, stored, expected):
    plant(tmp_path, ["a"], values=stored)
    label = opened(tmp_path, **options)[0].label
    assert label.dtype == np.uint8
    assert label.ravel()[: len(stored)].tolist() == expected


def test_numbers_of_16_bits(tmp_path):
    plant(tmp_path, ["a"])
    write(tmp_path / "labels" / "a.png", np.resize(np.array([1000, 40000, 3], np.uint16), (6, 8)))
    options = {"values": {"sky": 1000, "road": 40000}}
    assert opened(tmp_path, others="ignored", **options)[0].label.ravel()[:3].tolist() == [0, 1, IGNORE]
    with pytest.raises(DataError, match=r"a\.png: label values out of range: 3; allowed are 255, 1000, 40000"):
        opened(tmp_path, **options)[0]


def test_colors(tmp_path):
    plant(tmp_path, ["a"])
    paint = [(1, 2, 3), (9, 9, 9), (10, 9, 9), (0, 0, 255), (0, 0, 0)]
    write(tmp_path / "labels" / "a.png", np.resize(np.array(paint, np.uint8), (2, 5, 3)))
    write(tmp_path / "images" / "a.jpg", np.zeros((2, 5, 3), np.uint8))
    colors = {"sky": [1, 2, 3], "road": [[9, 9, 9], [10, 9, 9]], "car": [0, 0, 255]}
    dataset = opened(tmp_path, labels_are="colors", colors=colors, ignore=([0, 0, 0],))
    assert dataset[0].label[0].tolist() == [0, 1, 1, 2, IGNORE]
    assert dataset.palette.tolist() == [[1, 2, 3], [9, 9, 9], [0, 0, 255]]
    three = [colors["sky"], [9, 9, 9], colors["car"]]
    with pytest.raises(DataError, match=r"a\.png: 4 pixels have colours that stand for no class, most of them \("):
        opened(tmp_path, labels_are="colors", colors=tuple(three))[0]
    assert opened(tmp_path, labels_are="colors", colors=tuple(three), others="nearest")[0].label[0].tolist() == [
        0,
        1,
        1,
        2,
        0,
    ]
    ignored = opened(tmp_path, labels_are="colors", colors=tuple(three), others="ignored")[0].label[0].tolist()
    assert ignored == [0, 1, IGNORE, 2, IGNORE]
    grey = np.repeat(np.array([[0, 1, 2, 255, 0]] * 2, np.uint8)[..., None], 3, 2)
    write(tmp_path / "labels" / "a.png", grey)
    assert opened(tmp_path, labels_are="red channel")[0].label[0].tolist() == [0, 1, 2, 255, 0]
    with pytest.raises(DataError, match="one 8-bit channel"):
        opened(tmp_path)[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs the names of the classes"),
        ({"classes": ["a", "a"]}, "each once"),
        ({"classes": ["a", True]}, r"classes\[1\]: expected str"),
        ({"classes": ["a"], "values": {"b": 1}}, "'b' is none of data.options.classes"),
        ({"classes": ["a"], "values": {"a": -1}}, "numbers from 0 to 65535"),
        ({"classes": ["a", "b"], "values": {"a": 1, "b": [1]}}, "stand for two things"),
        ({"classes": ["a", "b"], "ignore": [1]}, "1 is stored for a class too"),
        ({"classes": ["a"], "colors": [[1, 2]]}, r"expected a colour \[R, G, B\]"),
        ({"classes": ["a"], "colors": [[1, 2, 3], [4, 5, 6]]}, "2 colours for 1 classes"),
        ({"classes": ["a", "b"], "labels_are": "colors", "colors": [[1, 2, 3]] * 2}, "the same colour"),
        ({"classes": ["a", "b"], "labels_are": "colors", "colors": {"a": [1, 2, 3]}}, "no colour of b"),
        ({"classes": ["a"], "label_are": "colors"}, "did you mean 'labels_are'"),
        ({"classes": ["a"], "others": "void"}, "is not one of 'error', 'ignored', 'nearest'"),
    ],
)
def test_descriptions_that_cannot_be(options, message):
    with pytest.raises(DataError, match=message):
        label_space("folder", options)


def test_splits_come_from_one_place(tmp_path):
    plant(tmp_path, ["a"])
    with pytest.raises(DataError, match="splits come from one place"):
        opened(tmp_path, lists={"train": "t.txt"})
    for fractions, message in (({"train": 0.8, "val": 0.8}, "more than all"), ({"train": -1}, "no share of 1")):
        with pytest.raises(DataError, match=re.escape(message)):
            opened(tmp_path, fractions=fractions)


def test_the_configuration_has_its_classes():
    text = "data: {dataset: folder, root: x, options: {classes: [sky, road], values: {sky: 3, road: 4}}}"
    config = load_config(text=text)
    assert config.spec(config.label_space().num_classes).num_classes == 2
    assert load_config(text=dump_config(config)) == config
    with pytest.raises(ConfigError, match=r"configuration: data set 'folder' needs the names of the classes"):
        load_config(text="data: {dataset: folder}")

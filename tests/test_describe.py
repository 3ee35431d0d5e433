"""`describe`: from a folder to a first configuration that opens and that the doctor has nothing grave against."""

import cv2
import numpy as np
import pytest

from core.config import load_config
from core.data.describe import main
from core.data.doctor.diagnosis import diagnose
from core.data.doctor.examine import examine
from tests.picture_files import png
from tests.test_data_folder import write
from tests.test_doctor import PAINT, Garden

LAYOUTS = {
    "two folders": ("images/{}.jpg", "labels/{}.png"),
    "VOC": ("JPEGImages/{}.jpg", "SegmentationClass/{}.png"),
    "one folder": ("{}.jpg", "{}.png"),
    "ends": ("all/{}.png", "all/{}_mask.png"),
    "both ends": ("rgb/{}_leftImg8bit.png", "gt/{}_gtFine_labelIds.png"),
    "beginnings": ("pictures/img_{}.jpg", "masks/mask_{}.png"),
    "blanks": ("my pictures/{} x.jpg", "my labels/{} x.png"),
    "split first": ("{split}/images/{}.jpg", "{split}/labels/{}.png"),
    "split last": ("images/training/{}.jpg", "annotations/training/{}.png"),
    "SegNet": ("{split}/{}.jpg", "{split}annot/{}.png"),
    "cities": ("leftImg8bit/{split}/ulm/{}_leftImg8bit.png", "gtFine/{split}/ulm/{}_gtFine_labelIds.png"),
    "upper case": ("IMAGES/{}.JPG", "LABELS/{}.PNG"),
}


def _lay_out(root, image, label, stored=None):
    garden = Garden(root / "plain")
    folder = root / "my set"
    for number, (picture, labels) in enumerate(zip(garden.images, garden.labels)):
        split = "train" if number < 8 else "val"
        for pattern, pixels in ((image, picture), (label, labels if stored is None else stored(labels))):
            if "training" in pattern and split == "val":
                pattern = pattern.replace("training", "validation")
            write(folder / pattern.replace("{split}", split).replace("{}", f"scene_{number:03}"), pixels)
    return folder


def _described(folder, out):
    assert main([str(folder), "--out", str(out), "--preset", "fast_scnn_tiny"]) == 0
    config = load_config(out)
    findings = diagnose(examine(config, [config.data.train, config.data.val]))
    return config, {finding.kind for finding in findings if finding.level != "note"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    folder = _lay_out(tmp_path, *LAYOUTS[layout])
    config, found = _described(folder, tmp_path / "c.yaml")
    train, val = (config.open_dataset(split) for split in (config.data.train, config.data.val))
    assert len(train) + len(val) == 12
    assert len({pair.image for pair in (*train.pairs, *val.pairs)}) == 12
    for pair in train.pairs:
        assert pair.image.stem.split("scene_")[1][:3] == pair.label.stem.split("scene_")[1][:3]
        assert "rgb" in str(pair.image) or pair.label != pair.image
    assert config.label_space().num_classes == 3
    assert found == set()


@pytest.mark.parametrize(
    ("stored", "options"),
    [
        (
            lambda a: np.where(a > 0, 255, 0).astype(np.uint8),
            {"values": {"background": 0, "foreground": 255}, "ignore": []},
        ),
        (lambda a: np.where(np.arange(64) < 2, 255, a).astype(np.uint8), {"ignore": [255]}),
        (lambda a: a * 100, {"values": {"class_0": 0, "class_100": 100, "class_200": 200}}),
        (lambda a: a.astype(np.uint16) * 1000, {"values": {"class_0": 0, "class_1000": 1000, "class_2000": 2000}}),
        (lambda a: PAINT[a], {"labels_are": "colors"}),
        (lambda a: np.repeat(a[..., None], 3, 2), {"labels_are": "red channel"}),
        (lambda a: png(a, 2, 3), {"labels_are": "numbers"}),
    ],
    ids=["0 and 255", "ignored", "spread", "16 bits", "colors", "grey RGB", "palette"],
)
def test_what_labels_hold(tmp_path, stored, options):
    folder = _lay_out(tmp_path, *LAYOUTS["two folders"], stored)
    config, found = _described(folder, tmp_path / "c.yaml")
    assert {key: config.data.options[key] for key in options} == options
    assert found == set()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "grass\npath\nyes\n"),
        ("labelmap.txt", "# label:color_rgb:parts:actions\ngrass:0,0,0::\npath:1,1,1::\nyes:2,2,2::\n"),
        ("labels.txt", "__ignore__\n0 grass\n1 path\n2 yes\n"),
        ("categories.json", '[{"id": 0, "name": "grass"}, {"id": 1, "name": "path"}, {"id": 2, "name": "yes"}]'),
    ],
)
def test_names_of_classes_in_the_folder(tmp_path, name, text):
    folder = _lay_out(tmp_path, *LAYOUTS["two folders"])
    (folder / name).write_text(text)
    config, _ = _described(folder, tmp_path / "c.yaml")
    assert config.data.options["classes"] == ["grass", "path", "yes"]


def test_lists_in_the_folder(tmp_path):
    folder = _lay_out(tmp_path, *LAYOUTS["VOC"])
    for split, numbers in (("train", range(9)), ("val", range(9, 12))):
        write(folder / "ImageSets" / f"{split}.txt", "".join(f"scene_{n:03}\r\n" for n in numbers).encode())
    config, found = _described(folder, tmp_path / "c.yaml")
    assert config.data.options["lists"] == {"train": "ImageSets/train.txt", "val": "ImageSets/val.txt"}
    assert found == set()
    (folder / "ImageSets" / "val.txt").write_text("of another set")
    config, _ = _described(folder, tmp_path / "d.yaml")
    assert "lists" not in config.data.options


def test_the_seed_shows_training_every_class(tmp_path):
    """A class of one picture is trained on, whichever picture that is."""
    for rare in range(0, 12, 4):
        numbers = iter(range(12))

        def stored(label, rare=rare, numbers=numbers):
            return np.where(np.arange(64) < 9, 3, label).astype(np.uint8) if next(numbers) == rare else label

        folder = _lay_out(tmp_path / str(rare), *LAYOUTS["two folders"], stored)
        _, found = _described(folder, tmp_path / f"{rare}.yaml")
        assert found == set()


def test_palettes_in_another_order_are_read_by_color(tmp_path):
    orders = iter(range(100))

    def stored(label):
        order = [0, 1, 2] if next(orders) % 2 else [0, 2, 1]
        plain = np.array(order, np.uint8)[label]
        return cv2.imencode(".png", PAINT[np.argsort(order)][plain][..., ::-1])[1].tobytes()

    folder = _lay_out(tmp_path, *LAYOUTS["two folders"], stored)
    config, found = _described(folder, tmp_path / "c.yaml")
    assert config.data.options["labels_are"] == "colors"
    assert found == set()


def test_what_cannot_be_described(tmp_path, capsys):
    def fails(*arguments):
        assert main([*map(str, arguments)]) == 2
        return capsys.readouterr().err

    assert "there is no such folder" in fails(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "holds no pictures" in fails(tmp_path / "empty")
    for number in range(3):
        write(
            tmp_path / "photos" / f"{number}.jpg", np.random.default_rng(number).integers(0, 255, (32, 32, 3), np.uint8)
        )
    assert "no two groups of files" in fails(tmp_path / "photos", "--out", tmp_path / "p.yaml")
    folder = _lay_out(tmp_path, *LAYOUTS["two folders"])
    assert "no such preset. Did you mean 'fast_scnn'?" in fails(folder, "--preset", "fastscnn")
    (tmp_path / "c.yaml").write_text("x")
    assert "is there already" in fails(folder, "--out", tmp_path / "c.yaml")
    lossy = _lay_out(tmp_path / "lossy", "images/{}.jpg", "labels/{}.jpg")
    assert "stored with loss" in fails(lossy, "--out", tmp_path / "d.yaml")

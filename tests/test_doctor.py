"""The doctor finds each of the faults that are planted here and that one alone; what settings can mend, --fix mends."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from core import safetensors
from core.config import load_config
from core.data.doctor.__main__ import main
from core.errors import DataError
from core.training import check_run
from tests.picture_files import png, turned_jpeg
from tests.shared_paths import require_shared

SIDE = 64
CLASSES = ["grass", "path", "house"]


class Garden:
    """Twelve pictures of two rectangles on grass, with their label maps, before and after something happens to them."""

    def __init__(self, root: Path, count: int = 12, classes: int = 3) -> None:
        self.root = root
        rng = np.random.default_rng(7)
        colors = rng.integers(0, 256, (256, 3))
        colors[:3] = (60, 160, 50), (190, 170, 140), (150, 60, 50)
        self.images, self.labels = [], []
        for number in range(count):
            label = np.zeros((SIDE, SIDE), np.uint8)
            for value in range(1, classes):
                row, column = rng.integers(2, SIDE - 26, 2)
                label[row : row + rng.integers(14, 24), column : column + rng.integers(14, 24)] = value
            label[2:8, 2 + number : 12 + number] = 1 + number % (classes - 1)
            noise = rng.normal(0, 6, (SIDE, SIDE, 3))
            self.images.append(np.clip(colors[label] + noise, 0, 255).astype(np.uint8))
            self.labels.append(label)
        self.options: dict[str, Any] = {"classes": CLASSES, "images": "images/*", "labels": "labels/*"}
        self.config: dict[str, Any] = {
            "model": {"preset": "fast_scnn_tiny"},
            "data": {"dataset": "folder", "root": str(root), "options": self.options},
            "transform": {"crop": [SIDE, SIDE]},
            "train": {"batch_size": 4},
        }
        self.files: dict[str, bytes] = {}
        self.arguments: list[str] = []

    def relabel(self, change: Callable[[np.ndarray], np.ndarray], places: slice = slice(None)) -> None:
        self.labels[places] = [np.ascontiguousarray(change(label)) for label in self.labels[places]]

    def repaint(self, change: Callable[[np.ndarray], np.ndarray], places: slice = slice(None)) -> None:
        self.images[places] = [np.ascontiguousarray(change(image)) for image in self.images[places]]

    def part(self, train: list[int], val: list[int]) -> None:
        """Splits by lists."""
        self.options["lists"] = {"train": "train.txt", "val": "val.txt"}
        for name, places in (("train", train), ("val", val)):
            self.files[f"{name}.txt"] = "".join(f"images/p{i:02}.png\n" for i in places).encode()

    def plant(self) -> Path:
        """Writes everything; the configuration's file."""
        for number, (image, label) in enumerate(zip(self.images, self.labels)):
            self.files.setdefault(f"images/p{number:02}.png", _png(image))
            self.files.setdefault(f"labels/p{number:02}.png", _png(label))
        for name, data in self.files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if data is not GONE:
                path.write_bytes(data)
        cfg = self.root / "garden.yaml"
        cfg.write_text(yaml.safe_dump(self.config))
        return cfg

    def findings(self, cfg: Path, *further: str) -> dict[str, dict[str, Any]]:
        """By kind, of a run of the command."""
        out = self.root / "findings.json"
        page = self.root / "page.html"
        command = ["--cfg", str(cfg), "--json", str(out), "--page", str(page), "--workers", "1"]
        status = main([*command, *self.arguments, *further])
        found = {finding["kind"]: finding for finding in json.loads(out.read_text())}
        assert status == (1 if any(finding["level"] != "note" for finding in found.values()) else 0)
        text = page.read_text()
        assert all(kind in text for kind in found)
        return found


GONE = b"gone"


def _png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels[..., [2, 1, 0, 3][: pixels.shape[2]]] if pixels.ndim == 3 else pixels)[
        1
    ].tobytes()


PAINT = np.zeros((256, 3), np.uint8)
PAINT[:4] = (10, 200, 10), (200, 200, 10), (200, 10, 10), (0, 0, 0)


def with_palette(label: np.ndarray, order: Sequence[int] = (0, 1, 2)) -> bytes:
    """A palette PNG that paints its numbers in the colours of the classes in this order."""
    palette = bytes(PAINT[list(order)].ravel()) + bytes(768 - 9)
    data = png(label, 8, 3).replace(bytes(768), palette, 1)
    start = data.index(b"PLTE")
    end = start + 4 + 768
    return data[:end] + zlib.crc32(data[start:end]).to_bytes(4, "big") + data[end + 4 :]


Planted = dict[str, tuple[Callable[[Garden], None], str, bool]]
FAULTS: Planted = {}  # what is planted -> (how, the kind expected, whether --fix mends it)


def fault(kind: str, *, mends: bool = True) -> Callable[[Callable[[Garden], None]], Callable[[Garden], None]]:
    def enter(plant: Callable[[Garden], None]) -> Callable[[Garden], None]:
        FAULTS[plant.__name__] = (plant, kind, mends)
        return plant

    return enter


@fault("values-out-of-range")
def stray_values(g: Garden) -> None:
    for number, value in ((0, 77), (1, 130)):
        g.labels[number][5:9, 40:44] = value


@fault("too-few-classes")
def more_classes_than_names(g: Garden) -> None:
    for number in (1, 4):
        g.labels[number][30:40, 30:40] = 3
        g.labels[number][50:60, 50:60] = 4


@fault("off-by-one")
def counted_from_one(g: Garden) -> None:
    g.relabel(lambda label: label + 1)


@fault("zero-is-one-more")
def zero_is_unlabelled(g: Garden) -> None:
    g.relabel(lambda label: np.where(np.arange(SIDE)[:, None] < 4, 0, label + 1).astype(np.uint8), slice(0, 12))
    g.labels[0][:] = 3  # so that the largest number is no mere border
    g.labels[0][:, :9] = 0
    for number in range(7, 12):
        g.labels[number][g.labels[number] == 3] = 1


@fault("ignore-index")
def another_number_marks_ignored_pixels(g: Garden) -> None:
    g.relabel(lambda label: np.where(np.arange(SIDE) % 16 == 0, 200, label).astype(np.uint8))


@fault("ignore-index")
def void_is_the_next_number(g: Garden) -> None:
    g.relabel(lambda label: np.where(np.arange(SIDE) % 16 == 0, 3, label).astype(np.uint8))


@fault("background-ignored")
def background_is_ignored(g: Garden) -> None:
    g.options.update(classes=["path", "house"], zero_means="unlabelled")


@fault("void-as-class")
def void_is_a_class(g: Garden) -> None:
    g.options["classes"] = ["grass", "path", "unlabeled"]


@fault("label-binary")
def masks_of_0_and_255(g: Garden) -> None:
    g.options["classes"] = ["rest", "house"]
    g.relabel(lambda label: np.where(label > 0, 255, 0).astype(np.uint8))


@fault("label-spread")
def numbers_spread_for_the_eye(g: Garden) -> None:
    g.relabel(lambda label: label * 127)


@fault("label-16-bits")
def numbers_of_16_bits(g: Garden) -> None:
    g.relabel(lambda label: label.astype(np.uint16) * 1000)


@fault("label-noise")
def masks_smoothly_resized(g: Garden) -> None:
    g.relabel(lambda label: cv2.GaussianBlur(label * 100, (0, 0), 0.6))


@fault("label-noise", mends=False)
def masks_once_saved_as_jpeg(g: Garden) -> None:
    def through_jpeg(label: np.ndarray) -> np.ndarray:
        data = cv2.imencode(".jpg", label * 20, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
        return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)

    g.options["values"] = dict(zip(CLASSES, (0, 20, 40)))
    g.relabel(through_jpeg)


@fault("label-lossy", mends=False)
def jpeg_masks(g: Garden) -> None:
    for number, label in enumerate(g.labels):
        g.files[f"labels/p{number:02}.png"] = cv2.imencode(".jpg", label)[1].tobytes()


@fault("label-colored")
def masks_of_colors(g: Garden) -> None:
    g.relabel(lambda label: PAINT[label])


@fault("label-alpha")
def masks_of_colors_with_alpha(g: Garden) -> None:
    g.relabel(lambda label: np.dstack([PAINT[label], np.full_like(label, 255)]))


@fault("label-grey-rgb")
def numbers_in_three_channels(g: Garden) -> None:
    g.relabel(lambda label: np.repeat(label[..., None], 3, 2))


@fault("label-numbers")
def colors_expected_of_numbers(g: Garden) -> None:
    g.options.update(labels_are="colors", colors=PAINT[:3].tolist(), ignore=[[0, 0, 0]])


@fault("colors-unknown")
def colors_without_a_name(g: Garden) -> None:
    g.options.update(labels_are="colors", colors=PAINT[:3].tolist())
    g.relabel(lambda label: PAINT[np.where(np.arange(SIDE) % 16 == 0, 3, label)])


@fault("label-noise")
def colors_with_noise(g: Garden) -> None:
    g.options.update(labels_are="colors", colors=PAINT[:3].tolist())
    rng = np.random.default_rng(0)
    g.relabel(
        lambda label: np.clip(PAINT[label].astype(int) + rng.integers(-4, 5, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    )


@fault("palette-differs")
def palettes_in_another_order(g: Garden) -> None:
    for number, label in enumerate(g.labels):
        order = [0, 1, 2] if number % 2 else [0, 2, 1]
        stored = np.array(order, np.uint8)[label]
        g.files[f"labels/p{number:02}.png"] = with_palette(stored, np.argsort(order))


@fault("label-missing")
def a_label_is_missing(g: Garden) -> None:
    g.files["labels/p03.png"] = GONE


@fault("picture-missing", mends=False)
def a_picture_is_missing(g: Garden) -> None:
    g.files["images/p03.png"] = GONE


@fault("label-file-empty")
def a_label_of_no_bytes(g: Garden) -> None:
    g.files["labels/p03.png"] = b""


@fault("picture-file-empty")
def a_picture_of_no_bytes(g: Garden) -> None:
    g.files["images/p03.png"] = b""


@fault("label-unreadable")
def a_label_cut_short(g: Garden) -> None:
    g.files["labels/p03.png"] = _png(g.labels[3])[:-20]


@fault("picture-unreadable")
def a_picture_cut_short(g: Garden) -> None:
    g.files["images/p03.png"] = _png(g.images[3])[:-200]


@fault("picture-depth")
def pictures_of_12_bits(g: Garden) -> None:
    g.repaint(lambda image: image.astype(np.uint16) * 16, slice(2, 4))


@fault("label-depth", mends=False)
def labels_of_floats(g: Garden) -> None:
    for number, label in enumerate(g.labels):
        g.files[f"labels/p{number:02}.png"] = cv2.imencode(".tif", label.astype(np.float32) / 2)[1].tobytes()


@fault("size-differs")
def a_label_of_another_size(g: Garden) -> None:
    g.labels[3] = g.labels[3][:-2]


@fault("sides-swapped")
def sides_are_swapped(g: Garden) -> None:
    g.repaint(lambda image: image[: SIDE - 8])
    g.relabel(lambda label: label[: SIDE - 8].T)
    g.config["transform"]["crop"] = [32, 32]
    g.relabel(lambda label: label.T, slice(0, 10))


@fault("exif-label-as-stored", mends=False)
def turned_by_exif(g: Garden) -> None:
    for number in range(3):
        wide, g.labels[number] = g.images[number][: SIDE - 16], g.labels[number][: SIDE - 16]
        g.files[f"images/p{number:02}.png"] = turned_jpeg(wide[..., ::-1], 6)


@fault("exif-turned", mends=False)
def turned_by_180_degrees(g: Garden) -> None:
    turned = np.ascontiguousarray(g.images[2][::-1, ::-1])
    g.files["images/p02.png"] = turned_jpeg(turned[..., ::-1], 3)


@fault("all-ignored")
def a_label_all_ignored(g: Garden) -> None:
    g.labels[4][:] = 255


@fault("nothing-labelled", mends=False)
def everything_is_ignored(g: Garden) -> None:
    g.relabel(lambda label: np.full_like(label, 255))


@fault("one-class", mends=False)
def one_class_alone(g: Garden) -> None:
    g.relabel(np.zeros_like)


@fault("mostly-ignored", mends=False)
def most_is_ignored(g: Garden) -> None:
    g.relabel(lambda label: np.where(label == 0, 255, label - 1).astype(np.uint8))
    g.options["classes"] = ["path", "house"]


@fault("picture-blank")
def a_picture_of_one_color(g: Garden) -> None:
    g.images[5][:] = 128


@fault("duplicate")
def a_picture_twice(g: Garden) -> None:
    g.part([0, 1, 2, 3, 4, 5, 6], [8, 9, 10, 11, 7])
    g.images[6], g.labels[6] = g.images[2], g.labels[2]


@fault("duplicate-labels-differ")
def a_picture_twice_with_two_labels(g: Garden) -> None:
    g.part([0, 1, 2, 3, 4, 5, 6], [8, 9, 10, 11, 7])
    g.images[6] = g.images[2]


@fault("label-repeated", mends=False)
def one_label_for_two_pictures(g: Garden) -> None:
    g.part([0, 1, 2, 3, 4, 5, 6], [8, 9, 10, 11, 7])
    g.labels[6] = g.labels[2]


@fault("split-overlap-file")
def a_picture_in_both_splits(g: Garden) -> None:
    g.part([0, 1, 2, 3, 4, 5, 6], [6, 7, 8, 9, 10, 11])


@fault("split-overlap-content")
def a_copy_in_the_other_split(g: Garden) -> None:
    g.part([0, 1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11])
    g.images[8], g.labels[8] = g.images[2], g.labels[2]


@fault("split-overlap-near")
def a_compressed_copy_in_the_other_split(g: Garden) -> None:
    g.part([0, 1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11])
    g.files["images/p08.png"] = cv2.imencode(".jpg", g.images[2][..., ::-1])[1].tobytes()


@fault("split-overlap-name", mends=False)
def a_name_in_both_splits(g: Garden) -> None:
    g.options.update(images="{split}/images/*", labels="{split}/labels/*")
    for number in range(12):
        split = "train" if number < 7 else "val"
        name = "p02" if number == 9 else f"p{number:02}"
        g.files[f"{split}/images/{name}.png"] = _png(g.images[number])
        g.files[f"{split}/labels/{name}.png"] = _png(g.labels[number])


@fault("class-never", mends=False)
def a_class_that_never_occurs(g: Garden) -> None:
    g.options["classes"] = [*CLASSES, "pond"]


@fault("too-many-classes", mends=False)
def a_list_of_other_classes(g: Garden) -> None:
    g.options["classes"] = [*CLASSES, *(f"thing {i}" for i in range(7))]


@fault("class-unseen", mends=False)
def a_class_for_validation_alone(g: Garden) -> None:
    g.part([0, 1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11])
    g.options["classes"] = [*CLASSES, "pond"]
    g.labels[9][40:50, 40:50] = 3


@fault("class-unscored", mends=False)
def a_class_for_training_alone(g: Garden) -> None:
    g.part([0, 1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11])
    g.relabel(lambda label: np.where(label == 2, 1, label).astype(np.uint8), slice(7, 12))


@fault("class-rare", mends=False)
def a_class_of_few_pixels(g: Garden) -> None:
    g.part([0, 1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11])
    g.options["classes"] = [*CLASSES, "ball"]
    for number in (2, 9):
        g.labels[number][40:43, 40:43] = 3


@fault("picture-grey", mends=False)
def some_pictures_are_grey(g: Garden) -> None:
    g.repaint(lambda image: np.repeat(image.mean(2, keepdims=True), 3, 2).astype(np.uint8), slice(0, 4))


@fault("crop-larger-than-pictures")
def a_crop_far_too_large(g: Garden) -> None:
    g.config["transform"]["crop"] = [512, 512]


@fault("crop-far-smaller-than-pictures", mends=False)
def a_crop_far_too_small(g: Garden) -> None:
    g.repaint(lambda image: image.repeat(8, 0).repeat(8, 1))
    g.relabel(lambda label: label.repeat(8, 0).repeat(8, 1))


@fault("sizes-vary", mends=False)
def pictures_of_all_sizes(g: Garden) -> None:
    g.images[2], g.labels[2] = g.images[2].repeat(5, 0).repeat(5, 1), g.labels[2].repeat(5, 0).repeat(5, 1)


@fault("set-smaller-than-batch")
def a_batch_larger_than_the_set(g: Garden) -> None:
    g.config["train"]["batch_size"] = 64


@fault("normalization")
def normalised_on_another_scale(g: Garden) -> None:
    g.config["transform"]["normalize"] = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@fault("normalization-of-weights")
def weights_of_another_normalisation(g: Garden) -> None:
    g.config["transform"]["normalize"] = "imagenet"
    safetensors.save(g.root / "w.safetensors", {"a": np.zeros(1, np.float32)}, {"normalization": '"bgr_mean"'})
    g.arguments = ["--weights", str(g.root / "w.safetensors")]


@fault("channels-swapped", mends=False)
def red_and_blue_exchanged(g: Garden) -> None:
    g.options["classes"] = ["Sky", "path", "house"]
    for image, label in zip(g.images, g.labels):
        image[label == 0] = np.clip(
            np.random.default_rng(0).normal((170, 150, 120), 40, ((label == 0).sum(), 3)), 0, 255
        )


@fault("label-turned", mends=False)
def masks_mirrored(g: Garden) -> None:
    g.relabel(lambda label: label[:, ::-1])


@fault("label-turned", mends=False)
def masks_upside_down(g: Garden) -> None:
    g.relabel(lambda label: label[::-1])


@fault("label-shifted", mends=False)
def masks_shifted(g: Garden) -> None:
    g.relabel(lambda label: np.roll(label, (4, 5), (0, 1)))


@fault("label-is-picture", mends=False)
def the_same_files_as_both(g: Garden) -> None:
    g.options.update(images="labels/*", labels="labels/*")
    g.part([], [])
    for name, places in (("train", range(7)), ("val", range(7, 12))):
        g.files[f"{name}.txt"] = "".join(f"labels/p{i:02}.png labels/p{i:02}.png\n" for i in places).encode()


def test_nothing_is_found_where_nothing_is_wrong(tmp_path):
    garden = Garden(tmp_path)
    assert garden.findings(garden.plant()) == {}


def test_training_is_told_of_what_a_few_files_show(tmp_path, capsys):
    for name, message in (
        ("counted_from_one", r"p\d\d\.png: .* the numbers start at 1 .*: set data.options.zero_means: unlabelled"),
        ("masks_of_colors", "set data.options.labels_are: colors"),
        ("masks_of_0_and_255", None),
        ("a_picture_in_both_splits", None),
    ):
        garden = Garden(tmp_path / name)
        FAULTS[name][0](garden)
        config = load_config(garden.plant())
        train, val = config.open_dataset("train"), config.open_dataset("val")
        if message is None:
            check_run(config, config.spec(train.num_classes), train, val)
            said = {"masks_of_0_and_255": "data.options.values: {rest: 0, house: 255}"}.get(name, "scores are too good")
            assert said in capsys.readouterr().err
        else:
            with pytest.raises(DataError, match=message):
                check_run(config, config.spec(train.num_classes), train, val)


@pytest.mark.slow
def test_camvid_has_no_fault(tmp_path):
    camvid = require_shared("data/camvid")
    found, status = _real(tmp_path, {"dataset": "camvid", "root": str(camvid)}, [360, 480], ["train", "val", "test"])
    assert found == {}
    assert status == 0


def test_cityscapes_has_what_two_frames_have(tmp_path):
    """Of two frames: seven of the nineteen classes are not in them, two have hardly a pixel; nothing else."""
    data = {"dataset": "cityscapes", "root": str(require_shared("data/cityscapes")), "options": {"labelled_only": True}}
    found, status = _real(tmp_path, data, [512, 1024], ["val"])
    assert set(found) == {"class-never", "class-rare", "set-smaller-than-batch"}
    assert found["class-never"]["count"] == 7
    assert status == 1


def _real(tmp_path: Path, data: dict[str, Any], crop: list[int], splits: list[str]) -> tuple[dict[str, Any], int]:
    cfg, out = tmp_path / "c.yaml", tmp_path / "out.json"
    cfg.write_text(yaml.safe_dump({"data": data, "transform": {"crop": crop}}))
    status = main(["--cfg", str(cfg), "--json", str(out), "--page", str(tmp_path / "p.html"), "--splits", *splits])
    return {finding["kind"]: finding for finding in json.loads(out.read_text())}, status


def test_fix_without_a_name_writes_beside_the_configuration(tmp_path):
    garden = Garden(tmp_path)
    counted_from_one(garden)
    cfg = garden.plant()
    before = cfg.read_text()
    garden.findings(cfg, "--fix")
    assert cfg.read_text() == before
    assert load_config(tmp_path / "garden.fixed.yaml").data.options["zero_means"] == "unlabelled"
    assert main(["--cfg", str(cfg), "--fix", str(cfg)]) == 2
    assert main(["--cfg", str(tmp_path / "none.yaml")]) == 2


def test_there_are_enough_faults():
    assert len({kind for _, kind, _ in FAULTS.values()}) >= 25


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_and_no_other(tmp_path, name):
    plant, kind, mends = FAULTS[name]
    garden = Garden(tmp_path, classes=3)
    plant(garden)
    cfg = garden.plant()
    found = garden.findings(cfg)
    allowed = {"label-is-picture": {"picture-grey", "picture-missing", "normalization"}}.get(kind, set())
    assert set(found) - allowed == {kind}
    assert found[kind]["advice"]
    assert mends <= bool(found[kind]["settings"])
    if mends:
        fixed = tmp_path / "fixed.yaml"
        garden.findings(cfg, "--fix", str(fixed))
        after = garden.findings(fixed)
        assert {k: f["what"] for k, f in after.items() if f["level"] != "note"} == {}

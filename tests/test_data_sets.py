"""The facts of the data sets against real files: label maps, class lists and tables from their publishers."""

from __future__ import annotations

import csv
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from core.config import load_config
from core.data import DATASETS, IGNORE, LabelSpace, label_space, open_dataset
from core.data.datasets import camvid, cityscapes
from core.data.datasets.__main__ import main
from core.data.datasets.base import map_label
from core.data.datasets.images import read_image, read_label
from core.data.datasets.nyuv2 import TEST
from core.data.label_decoding import index_of_colors, read_ade_full, read_matlab
from core.data.labels import Numbering, counted_from, plain, voc_palette
from core.data.prepare.rle import decode_counts, fill_polygon, fill_runs, mask_of
from core.data.resampling import resize_label
from core.errors import ConfigError, DataError
from tests.miniatures import mat, picture, png, stored
from tests.shared_paths import require_shared

FILED = {name: dataset for name, dataset in DATASETS.items() if dataset.recipe}


def _spaces() -> list[tuple[str, LabelSpace]]:
    choices = {
        "mapillary": [{"version": v, "classes": c} for v in ("v1.2", "v2.0") for c in ("own", "cityscapes")],
        "pascal_context": [{"classes": 59}, {"classes": 60}],
        "nyuv2": [{"classes": 40}, {"classes": 13}],
        "cocostuff10k": [{"classes": 171}, {"classes": 182}],
        "cocostuff164k": [{"classes": 171}, {"classes": 182}],
        "camvid": [{"void_class": False}, {"void_class": True}],
    }
    return [
        (f"{name}-{'-'.join(map(str, options.values()))}", label_space(name, options))
        for name, dataset in DATASETS.items()
        if dataset.facts is not None
        for options in choices.get(name, [{}])
    ]


@pytest.mark.parametrize(("name", "space"), _spaces(), ids=[name for name, _ in _spaces()])
def test_a_label_space_is_whole(name, space):
    assert 2 <= space.num_classes < IGNORE
    assert len(set(space.classes)) == space.num_classes
    for numbering in (space.numbering(), *space.numberings.values()):
        table = numbering.table
        assert set(table[table >= 0].tolist()) - {IGNORE} == {i for i, values in enumerate(numbering.stored) if values}


@pytest.mark.parametrize("name", FILED)
def test_facts_are_complete(name):
    dataset = FILED[name]
    facts = dataset.facts
    assert facts is not None
    assert set(facts.counts) <= set(dataset.splits)
    if name not in ("gatech", "coco_voc"):  # what is published of these two tells no counts
        assert set(facts.counts) == set(dataset.splits)
    if name != "gatech":
        assert facts.archives
    assert facts.layout
    assert facts.source
    assert facts.obtained
    assert facts.licence
    assert facts.crop is None or min(facts.crop) > 0
    with pytest.raises(DataError, match=r"data\.root"):
        open_dataset(name, dataset.splits[0])


def test_the_page_of_data_sets_is_current(tmp_path, capsys):
    """But for the published figures, which come with a preset: `make table` writes them too."""
    text = (Path(__file__).parents[1] / "docs/data_sets.md").read_text(encoding="utf-8")
    assert main([str(tmp_path / "page.md")]) == 0
    lines = (tmp_path / "page.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in text.splitlines() if not line.startswith("- Published figures")] == [
        line for line in lines if not line.startswith("- Published figures")
    ], "run `make table`"
    assert main(["--check", str(tmp_path / "page.md")]) == 0
    (tmp_path / "page.md").write_text(text + "more\n", encoding="utf-8")
    assert main(["--check", str(tmp_path / "page.md")]) == 1
    assert "run `make table`" in capsys.readouterr().out
    for name, dataset in FILED.items():
        assert f"\n## {name}\n" in text
        assert dataset.facts.obtained in text
    voc = text[text.index("\n## voc\n") :]
    assert "`deeplabv3plus_resnet101_mxnetseg`" in voc[: voc.index("\n## ", 1)]


@pytest.mark.parametrize("name", FILED)
def test_a_configuration_can_name_it(name):
    config = load_config(text=f"data: {{dataset: {name}, root: somewhere}}")
    assert config.label_space().num_classes == FILED[name].space.num_classes


def test_options_are_typed():
    config = load_config(text="data: {dataset: mapillary, options: {version: v2.0, classes: cityscapes}}")
    assert config.label_space().classes == cityscapes.SPACE.classes
    assert load_config(text="data: {dataset: pascal_context, options: {classes: 60}}").label_space().num_classes == 60
    with pytest.raises(ConfigError, match=r"classes: 61 is not one of 59, 60"):
        load_config(text="data: {dataset: pascal_context, options: {classes: 61}}")
    with pytest.raises(ConfigError, match="did you mean 'fold'"):
        load_config(text="data: {dataset: stanford_background, options: {folds: 1}}")


def test_numberings():
    numbering = Numbering(((1,), (5, 7)), frozenset({0}))
    assert numbering.table[:9].tolist() == [IGNORE, 0, -1, -1, -1, 1, -1, 1, -1]
    assert numbering.published.tolist() == [1, 5]
    assert numbering.folded([None, 0]).table[:8].tolist() == [IGNORE, IGNORE, -1, -1, -1, 0, -1, 0]
    assert len(Numbering(((300,),)).table) == 1 << 16
    assert plain(2).table[[0, 1, 2, IGNORE]].tolist() == [0, 1, -1, IGNORE]
    assert counted_from(1, 2).table[[0, 1, 2, 3]].tolist() == [IGNORE, 0, 1, -1]
    for wrong in (((1,), (1,)), ((0,),), ((1, 1),), ((1 << 16,),)):
        with pytest.raises(ValueError, match=r"two things|16 bits"):
            Numbering(wrong, frozenset({0}))


def test_voc(tmp_path):
    sample = require_shared("data/voc_sample")
    lines = [line.strip() for line in (sample / "class_names.txt").read_text().splitlines()]
    listed = [re.sub(r"[ _/]", "", line) for line in lines if not line.startswith("__")]
    assert listed == list(DATASETS["voc"].space.classes)
    image_module = pytest.importorskip("PIL.Image", reason="Pillow reads the palette")
    with image_module.open(sample / "SegmentationClass/fcn_demo.png") as label:
        assert np.array_equal(np.array(label.getpalette()).reshape(-1, 3)[:21], voc_palette(21))
    root = tmp_path / "voc"
    for folder in ("JPEGImages", "SegmentationClass"):
        shutil.copytree(sample / folder, root / folder)
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/val.txt").write_text("2011_000003\nfcn_demo\n")
    dataset = open_dataset("voc", "val", root)
    assert set(np.unique(dataset[1].label)) == {0, 2, 15, IGNORE}
    assert dataset[0].image.shape[:2] == dataset[0].label.shape


def test_scene_parsing_150(tmp_path):
    sample = require_shared("data/ade20k_sample")
    with open(sample / "scene_parsing/objectInfo150.csv", newline="") as file:
        names = [row["Name"].split(";")[0] for row in csv.DictReader(file)]
    # MMSegmentation's short names; a few are the second of several, or written apart
    same = sum(short.strip() == first for short, first in zip(DATASETS["ade20k"].space.classes, names))
    assert same >= 120
    shutil.copytree(sample / "scene_parsing/images", tmp_path / "images/validation")
    shutil.copytree(sample / "scene_parsing/annotations", tmp_path / "annotations/validation")
    dataset = open_dataset("ade20k", "val", tmp_path)
    assert len(dataset) == 3
    for i in range(3):
        raw = read_label(dataset.pairs[i].label)
        assert np.array_equal(dataset[i].label, np.where(raw == 0, IGNORE, raw - 1))


def test_ade20k_full_is_folded_as_the_challenge_was():
    sample = require_shared("data/ade20k_sample/full_to_150")
    raw = sample / "ADE_train_00000970_raw.png"
    dataset = DATASETS["ade20k_full"]
    label = map_label(read_ade_full(raw), dataset.space.numbering().table, raw)
    published = read_label(sample / "ADE_train_00000970_challenge.png")
    assert np.array_equal(resize_label(label, published.shape), np.where(published == 0, IGNORE, published - 1))
    stored_as = [
        tuple(map(int, line.split())) for line in (sample / "mapFromADE.txt").read_text().splitlines() if line.split()
    ]
    assert len(stored_as) == 153
    table = dataset.space.numbering().table
    assert all(table[full] == number - 1 for number, full in stored_as)


def test_ade20k_of_2021_reads(tmp_path):
    sample = require_shared("data/ade20k_sample/full_2021")
    folder = tmp_path / "images/training/a"
    shutil.copytree(sample, folder)
    dataset = open_dataset("ade20k_full", "train", tmp_path)
    assert [pair.name for pair in dataset.pairs] == ["a_ADE_train_00016964"]
    present = {dataset.classes[i] for i in np.unique(dataset[0].label) if i != IGNORE}
    assert {"building", "tree", "car", "road", "sidewalk", "fountain"} <= present


def test_mapillary(tmp_path):
    sample = require_shared("data/mapillary_sample")
    shutil.copytree(sample / "images", tmp_path / "validation/images")
    for version in ("v1.2", "v2.0"):
        shutil.copytree(sample / version, tmp_path / "validation" / version / "labels")
    seen = {}
    for version in ("v1.2", "v2.0"):
        dataset = open_dataset("mapillary", "val", tmp_path, version=version)
        seen[version] = {dataset.classes[i] for i in np.unique(dataset[0].label)}
        color = read_image(dataset.pairs[0].label)  # OpenCV gives palette files' colours
        assert np.array_equal(dataset.palette[dataset[0].label], color)
        folded = open_dataset("mapillary", "val", tmp_path, version=version, classes="cityscapes")[0].label
        assert set(np.unique(folded)) == {2, 5, IGNORE}  # building, pole
    assert seen["v1.2"] == seen["v2.0"] == {"Building", "Street Light", "Pole"}


def test_mapillary_in_the_classes_of_cityscapes():
    folded = label_space("mapillary", {"classes": "cityscapes"}).numbering()
    own = label_space("mapillary", {}).classes
    names = cityscapes.SPACE.classes
    to = {own[value]: names[i] for i, values in enumerate(folded.stored) for value in values}
    assert to["Lane Marking - General"] == "road"
    assert to["Bicyclist"] == to["Other Rider"] == "rider"
    assert to["On Rails"] == "train"
    assert "Street Light" not in to
    assert set(to.values()) == set(names)


def test_bdd100k():
    sample = require_shared("data/bdd100k_sample")
    table = DATASETS["bdd100k"].space.numbering().table
    for name, classes in (("test-mask.png", set(range(15))), ("semseg_mask.png", {13, IGNORE})):
        label = map_label(read_label(sample / name), table, name)
        assert label.shape == (720, 1280)
        assert set(np.unique(label)) <= classes
    dataset = open_dataset("bdd100k", "train", sample / "pseudo_bdd100k_dataset")
    assert len(dataset) == 3
    assert set(np.unique(dataset[0].label)) <= {2, 8}


def test_aeroscapes():
    sample = require_shared("data/aeroscapes_sample")
    classes = [line.strip().lower() for line in (sample / "labels.txt").read_text().splitlines()]
    known = DATASETS["aeroscapes"]
    assert [name for name in classes if not name.startswith("_")] == list(known.space.classes[1:])
    counts = {part: len((sample / f"ImageSets/{part}.txt").read_text().split()) for part in ("train", "val")}
    assert known.facts is not None
    assert counts == dict(known.facts.counts)


def test_coco_stuff():
    sample = require_shared("data/cocostuff_sample")
    lines = [line.split(": ") for line in (sample / "cocostuff-labels.txt").read_text().splitlines()]
    names = {int(number): name for number, name in lines}
    for name, first in (("10k", 0), ("164k", -1)):
        for classes in (171, 182):
            space = label_space("cocostuff10k", {"classes": classes})
            assert all(
                names[int(i) - first] == label for i, label in zip(space.numberings[name].published, space.classes)
            )
    label = sample / "000000000934.png"
    values = read_label(label)  # 92 … 183, of which the last is "other"
    space = label_space("cocostuff10k", {})
    mapped = map_label(np.where(values == 183, 0, values), space.numberings["10k"].table, label)
    assert {space.classes[i] for i in np.unique(mapped) if i != IGNORE} == {
        names[int(i)] for i in np.unique(values) if i != 183
    }
    pytest.importorskip("scipy", reason="SciPy reads MATLAB's files")
    things = read_matlab(sample / "COCO_train2014_000000119938.mat", "labelMapThings")
    assert (things.shape, things.dtype) == ((427, 640), np.uint8)


def test_siftflow_and_context_lists():
    lists = require_shared("data/published_lists_sample")
    lines = (lists / "sift-flow/classes.txt").read_text().splitlines()
    semantic = [line.split(" ", 1)[1].strip() for line in lines if line[:2].isdigit()][:33]
    assert list(DATASETS["siftflow"].space.classes) == semantic
    counts = [len((lists / f"sift-flow/{name}.txt").read_text().split()) for name in ("trainval", "test")]
    assert DATASETS["siftflow"].facts.counts == {"train": counts[0], "test": counts[1]}
    numbers = dict(
        line.split(": ") for line in (lists / "pascal-context/classes-400.txt").read_text().splitlines() if ": " in line
    )
    space = DATASETS["pascal_context"].space
    assert [numbers[str(i)] for i in space.numberings["459"].published] == list(space.classes)
    usual = {
        line.split(": ")[1].strip()
        for line in (lists / "pascal-context/classes-59.txt").read_text().splitlines()
        if ": " in line
    }
    renamed = {"cloth": "clothes", "table": "diningtable", "bedclothes": "bedcloth"}
    assert {renamed.get(name, name) for name in space.classes} | {"background"} == usual


def test_nyuv2_tables():
    io = pytest.importorskip("scipy.io", reason="SciPy reads MATLAB's files")
    sample = require_shared("data/nyuv2_sample")
    to_40 = io.loadmat(sample / "classMapping40.mat")["mapClass"].ravel()
    to_13 = io.loadmat(sample / "class13Mapping.mat")["classMapping13"][0, 0]["labels13"].ravel()
    stored_labels = np.arange(1, 895)
    for classes, wanted in ((40, to_40 - 1), (13, to_13[to_40 - 1] - 1)):
        table = label_space("nyuv2", {"classes": classes}).numberings["894"].table
        assert np.array_equal(table[stored_labels], wanted)
        assert table[0] == IGNORE
        assert table[895] == -1
    names = [str(name[0]) for name in io.loadmat(sample / "classMapping40.mat")["className"].ravel()]
    assert list(label_space("nyuv2", {}).classes) == names
    splits = io.loadmat(sample / "splits.mat")
    assert np.array_equal(np.array(TEST) + 1, splits["testNdxs"].ravel())
    assert np.array_equal(np.setdiff1d(np.arange(1449), TEST) + 1, splits["trainNdxs"].ravel())
    table = label_space("nyuv2", {"classes": 13}).numberings["13"].table
    for path in sorted((sample / "labels_13").iterdir()):
        assert set(np.unique(map_label(read_label(path), table, path))) <= {*range(13), IGNORE}


def test_camvids_splits_are_segnets():
    root = require_shared("data/camvid")
    for split in ("train", "val", "test"):
        names = [
            line.split()[0].rpartition("/")[2].removesuffix(".png")
            for line in (root / f"{split}.txt").read_text().splitlines()
        ]
        assert {camvid.split_of(name) for name in names} == {split}
    assert camvid.split_of("0005VD_f00000") is None


def test_camvids_colors(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    places = stored([*range(32)])
    (tmp_path / "images/0016E5_07959.png").write_bytes(picture(kind=".png"))
    (tmp_path / "labels/0016E5_07959_L.png").write_bytes(png(np.array(camvid.COLORS, np.uint8)[places]))
    folded = open_dataset("camvid_full", "val", tmp_path)
    names = [name for _, name, _ in camvid._32]
    to = {name: int(folded[0].label[places == i][0]) for i, name in enumerate(names)}
    assert folded.classes[to["SUVPickupTruck"]] == "Car"
    assert folded.classes[to["Archway"]] == "Building"
    assert to["Void"] == IGNORE
    exact = open_dataset("camvid_full", "val", tmp_path, folding="namesakes")[0].label
    assert {
        int(value) for value in np.unique(exact[np.isin(places, [names.index("Car"), names.index("SUVPickupTruck")])])
    } == {8, IGNORE}
    small = open_dataset("camvid_full", "val", tmp_path, size=(16, 24))[0]
    assert small.image.shape == (16, 24, 3)
    assert small.label.shape == (16, 24)
    wrong = np.array(camvid.COLORS, np.uint8)[places]
    wrong[3, 4] = (1, 2, 3)
    (tmp_path / "labels/0016E5_07959_L.png").write_bytes(png(wrong))
    with pytest.raises(DataError, match=r"_L\.png: 1 pixels have colours that stand for no class, such as \(1, 2, 3\)"):
        open_dataset("camvid_full", "val", tmp_path)[0]
    assert np.array_equal(index_of_colors(np.array(camvid.COLORS, np.uint8)[places], camvid.COLORS, "x"), places)


def test_a_mat_file_that_is_none(tmp_path):
    pytest.importorskip("scipy", reason="SciPy reads MATLAB's files")
    path = tmp_path / "a.mat"
    for data, message in (
        (b"no such file", "no MATLAB file"),
        (mat({"T": np.zeros((2, 2), np.uint8)}), "holds no S"),
        (mat({"S": np.full((2, 2), -1.0)}), "numbers that are no labels"),
        (mat({"S": np.full((2, 2), 0.5)}), "numbers that are no labels"),
        (mat({"S": np.full((2, 2), 1 << 16)}), "more than 16 bits"),
        (mat({"S": np.zeros((2, 2, 2))}), "no label map but an array"),
        (mat({"S": np.zeros((200, 200), np.uint8)})[:150], "no MATLAB file"),
    ):
        path.write_bytes(data)
        with pytest.raises(DataError, match=rf"a\.mat: .*{message}"):
            read_matlab(path, "S")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    with pytest.raises(DataError, match=r"a\.mat: reading it needs scipy, .*pip install scipy"):
        read_matlab(tmp_path / "a.mat", "S")


# By pycocotools 2.0.11: a polygon filled on 20x30 pixels, compressed and as runs.
POLYGON = [3.3, 2.1, 25.7, 6.4, 18.2, 17.9, 5.5, 14.0]
PACKED = "n11c05L4K1O1O00010O0000001O01O01OO1O1N3N1N2O1N2O[2"
RUNS = [
    62, 1, 19, 6, 15, 10, 10, 11, 9, 12, 8, 12, 8, 12, 9, 12, 8, 12, 8, 12, 8, 12, 8, 13, 7, 13, 8, 12, 8, 13, 7, 12,
    8, 11, 9, 9, 12, 7, 13, 5, 15, 4, 16, 2, 18, 1, 93,
]  # fmt: skip


def test_run_lengths_and_polygons():
    assert fill_runs([5, 3, 2], 2, 5).astype(int).tolist() == [[0, 0, 0, 1, 0], [0, 0, 1, 1, 0]]
    assert decode_counts(PACKED) == RUNS
    assert np.array_equal(fill_polygon(POLYGON, 20, 30), fill_runs(RUNS, 20, 30))
    assert np.array_equal(
        mask_of([POLYGON, POLYGON], 20, 30, "x"), mask_of({"size": [20, 30], "counts": RUNS}, 20, 30, "x")
    )
    assert not fill_polygon([40, 2, 60, 2, 60, 9], 20, 30).any()  # outside the picture
    with pytest.raises(ValueError, match="add up"):
        fill_runs([5, 3], 2, 5)
    with pytest.raises(DataError, match="where, it: its segmentation cannot be read: it ends within a run length"):
        mask_of({"size": [2, 5], "counts": "o"}, 2, 5, "where, it")
    for wrong in ([[1, 2, 3]], [["a", "b"]], {"size": [2, 5]}, {"size": [3, 5], "counts": [15]}, 7):
        with pytest.raises(DataError, match="cannot be read"):
            mask_of(wrong, 2, 5, "x")


def test_official_trees(tmp_path):
    """Folder trees as Datumaro's tests have them."""
    sample = require_shared("data/datumaro_layouts_sample")
    voc = open_dataset("voc", "train", sample / "voc_dataset/voc_dataset1", require_labels=False)
    assert voc.decode(sample / "voc_dataset/voc_dataset1/SegmentationClass/2007_000001.png")[0, 0] == 2  # in colours
    instances = open_dataset("cityscapes", "train", sample / "cityscapes_dataset/dataset")
    assert instances.pairs[0].label.name.endswith("_instanceIds.png")
    assert {instances.classes[i] for i in np.unique(instances[0].label) if i != IGNORE} == {"person"}
    painted = open_dataset("camvid", "train", sample / "camvid_dataset")
    assert painted.decode(painted.pairs[0].label).shape == (1, 5)
    for name in ("ade20k2017_dataset", "ade20k2020_dataset"):
        shutil.copytree(sample / name / "dataset", tmp_path / name / "images")
        for split in ("train", "val"):
            assert len(open_dataset("ade20k_full", split, tmp_path / name)) == 1


def test_instance_ids(tmp_path):
    for folder, end, data in (
        ("leftImg8bit", "leftImg8bit", picture(kind=".png")),
        ("gtFine", "gtFine_instanceIds", png(stored([7, 26, 24000, 26017, 33002], kind=np.uint16))),
    ):
        (tmp_path / folder / "val/x").mkdir(parents=True)
        (tmp_path / folder / f"val/x/x_0_1_{end}.png").write_bytes(data)
    label = open_dataset("cityscapes", "val", tmp_path)[0].label
    assert label.ravel()[:5].tolist() == [0, 13, 11, 13, 18]


def test_painted_labels(tmp_path):
    values = stored([*range(21), IGNORE])
    (tmp_path / "a.png").write_bytes(png(voc_palette(256)[values]))
    voc = DATASETS["voc"]
    assert np.array_equal(voc.decode(voc, tmp_path / "a.png"), values)
    places = stored([*range(32)])
    (tmp_path / "a.png").write_bytes(png(np.array(camvid.COLORS, np.uint8)[places]))
    read = DATASETS["camvid"].decode(DATASETS["camvid"], tmp_path / "a.png")
    folded = camvid.FULL_SPACE.numbering().table[places]
    assert np.array_equal(read, np.where(folded == IGNORE, 11, folded))


def test_sunrgbds_label_maps_are_numbered_through(tmp_path):
    for i, name in ((1, "img-000001"), (2, "img-000003")):
        for folder, file, data in (
            ("images", f"{name}.jpg", picture(i)),
            ("labels", f"img-{int(name[4:]) + 5050:06d}.png", png(stored([0, 2 * i]))),
        ):
            (tmp_path / folder / "train").mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / "train" / file).write_bytes(data)
    dataset = open_dataset("sunrgbd", "train", tmp_path)
    assert [set(np.unique(dataset[i].label)) for i in range(2)] == [{1, IGNORE}, {3, IGNORE}]
    (tmp_path / "images/train/img-005051.jpg").write_bytes(picture())  # the first picture's label map has this number
    (tmp_path / "labels/train/img-010101.png").write_bytes(png(stored([0, 6])))
    assert set(np.unique(open_dataset("sunrgbd", "train", tmp_path)[2].label)) == {5, IGNORE}
    (tmp_path / "labels/train/img-005053.png").unlink()
    with pytest.raises(DataError, match=r"1 of 3 pictures .*img-000003"):
        open_dataset("sunrgbd", "train", tmp_path)
    (tmp_path / "labels/train/img-000003.png").write_bytes(png(stored([0, 8])))
    own = open_dataset("sunrgbd", "train", tmp_path, require_labels=False)
    assert set(np.unique(own[1].label)) == {7, IGNORE}


def test_gatech_in_folders(tmp_path):
    for folder in ("Images", "Images_test"):
        for kind, data in (("Original", picture(kind=".png")), ("Ground_Truth", png(stored([*range(9)])))):
            (tmp_path / folder / kind).mkdir(parents=True)
            (tmp_path / folder / kind / "01_0001.png").write_bytes(data)
    for split in ("train", "test"):
        dataset = open_dataset("gatech", split, tmp_path)
        assert len(dataset) == 1
        assert set(np.unique(dataset[0].label)) == {*range(8), IGNORE}

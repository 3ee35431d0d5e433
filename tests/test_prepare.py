"""Every data set is prepared from a miniature of its published archives and read; damaged and hostile archives are
not."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib

import numpy as np
import pytest

from core.data import DATASETS, IGNORE, open_dataset
from core.data.datasets import mapillary, pascal_context
from core.data.prepare.__main__ import main
from core.data.prepare.picture_size import picture_size
from tests.miniatures import MINIATURES, SIZE, mat, nyuv2_file, picture, png, stored, tarred, zipped


def prepared(name, tmp_path, *arguments):
    """The root that a miniature was prepared to."""
    for package in MINIATURES[name].needs:
        pytest.importorskip(package, reason=f"{package} reads and writes this data set's files")
    archives, root = tmp_path / "archives", tmp_path / "root"
    archives.mkdir(exist_ok=True)
    MINIATURES[name].write(archives)
    assert main([name, "--from", str(archives), "--to", str(root), "--workers", "2", *arguments]) == 0
    return root


def test_every_data_set_with_files_has_a_miniature():
    assert {name for name, dataset in DATASETS.items() if dataset.recipe} == set(MINIATURES)


@pytest.mark.parametrize("name", MINIATURES)
def test_a_miniature_is_prepared_and_read(name, tmp_path, capsys):
    root = prepared(name, tmp_path)
    said = capsys.readouterr().out
    dataset = DATASETS[name]
    counts = MINIATURES[name].counts
    for split in counts:
        opened = open_dataset(name, split, root, require_labels=split not in dataset.unlabelled)
        assert len(opened) == counts[split], split
        assert re.search(rf"^{re.escape(split)}(, \w+=\S+)?: {counts[split]} pictures", said, re.MULTILINE), said
    first = open_dataset(name, "train", root)
    values = set()
    for i in range(min(len(first), 4)):
        sample = first[i]
        assert sample.image.shape == (*SIZE, 3)
        assert sample.label is not None
        assert sample.label.shape == SIZE
        values |= set(np.unique(sample.label).tolist())
    assert len(values - {IGNORE}) > 1
    assert max(values - {IGNORE}) < first.num_classes
    assert not [path for path in root.rglob(".*") if path.is_file()]


def test_unpacked_folders_do_as_archives_do(tmp_path):
    archives, unpacked = tmp_path / "archives", tmp_path / "unpacked"
    archives.mkdir()
    MINIATURES["bdd100k"].write(archives)
    for path in archives.iterdir():
        zipfile.ZipFile(path).extractall(unpacked)
    (unpacked / "bdd100k/images/10k/train/._0.jpg").write_bytes(b"what macOS lays beside each file")
    assert main(["bdd100k", "--from", str(archives), "--to", str(tmp_path / "a")]) == 0
    assert main(["bdd100k", "--from", str(unpacked), "--to", str(tmp_path / "b")]) == 0
    assert _contents(tmp_path / "a") == _contents(tmp_path / "b")


def _contents(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_same_command_again_writes_nothing_and_repairs_what_lacks(tmp_path, capsys):
    root = prepared("bdd100k", tmp_path)
    before = _contents(root)
    (root / "images/10k/train/0.jpg").unlink()
    prepared("bdd100k", tmp_path)
    assert "1 files written, 6 were there already" in capsys.readouterr().out
    assert _contents(root) == before


def test_a_killed_run_goes_on(tmp_path, monkeypatch):
    archives, root = tmp_path / "archives", tmp_path / "root"
    archives.mkdir()
    MINIATURES["bdd100k"].write(archives)
    replace, done = os.replace, []

    def killed(source, target):
        done.append(target)
        if len(done) == 4:
            raise KeyboardInterrupt  # in a worker, with half a file on the disk
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        assert main(["bdd100k", "--from", str(archives), "--to", str(root), "--workers", "1"]) == 130
    (root / "images/10k/train/.1.jpg.partial").write_bytes(b"half a file")
    (root / ".prepare.scratch.x").mkdir()
    half = _contents(root)
    assert 0 < len([name for name in half if not name.endswith(".partial")]) < 7
    assert main(["bdd100k", "--from", str(archives), "--to", str(root)]) == 0
    assert len(_contents(root)) == 7
    assert not list(root.glob(".prepare*"))


def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path, monkeypatch, capsys):
    archives, root = tmp_path / "archives", tmp_path / "root"
    archives.mkdir()
    MINIATURES["bdd100k"].write(archives)

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert main(["bdd100k", "--from", str(archives), "--to", str(root)]) == 2
    assert re.search(r"error: .*\.jpg: cannot be written \(No space left on device\)", capsys.readouterr().err)
    assert [path for path in root.rglob("*") if path.is_file() and path.name != ".prepare.lock"] == []


LEADS_OUT = ["../../evil.jpg", "/etc/evil.jpg", "a/../../../images/10k/train/evil.jpg", "..\\evil.jpg", "C:\\evil.jpg"]


@pytest.mark.parametrize("name", LEADS_OUT)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_member_that_leads_out_refuses_the_archive(name, pack, tmp_path, capsys):
    archive = tmp_path / "in" / ("a.zip" if pack is zipped else "a.tar.gz")
    archive.parent.mkdir()
    pack(archive, {name: picture(), "images/10k/train/a.jpg": picture()})
    assert main(["bdd100k", "--from", str(archive), "--to", str(tmp_path / "deep/er/root")]) == 2
    assert f"a member {name!r}, which leads out" in capsys.readouterr().err
    assert not list(tmp_path.rglob("evil*"))


def test_links_in_archives_are_refused(tmp_path, capsys):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        with tarfile.open(tmp_path / "links.tar", "w") as archive:
            entry = tarfile.TarInfo("images/10k/train/a.jpg")
            entry.type, entry.linkname = kind, str(secret)
            archive.addfile(entry)
        assert main(["bdd100k", "--from", str(tmp_path / "links.tar"), "--to", str(tmp_path / "root")]) == 2
        assert re.search(r"links\.tar: images/10k/train/a\.jpg: is a link or a device", capsys.readouterr().err)
    with zipfile.ZipFile(tmp_path / "links.zip", "w") as archive:
        entry = zipfile.ZipInfo("images/10k/train/a.jpg")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, str(secret))
    assert main(["bdd100k", "--from", str(tmp_path / "links.zip"), "--to", str(tmp_path / "root")]) == 2
    assert "is a link, not a file" in capsys.readouterr().err


def test_links_in_the_destination_are_not_followed(tmp_path, capsys):
    archives, root, outside = tmp_path / "archives", tmp_path / "root", tmp_path / "outside"
    for folder in (archives, root, outside):
        folder.mkdir()
    MINIATURES["bdd100k"].write(archives)
    (root / "images").symlink_to(outside)
    assert main(["bdd100k", "--from", str(archives), "--to", str(root)]) == 2
    assert "is a link out of" in capsys.readouterr().err
    assert not [path for path in outside.rglob("*") if path.is_file()]


def test_bombs_are_refused(tmp_path, capsys):
    zipped(tmp_path / "bomb.zip", {"images/10k/train/a.jpg": bytes(100 << 20)})
    tarred(tmp_path / "bomb.tgz", {"images/10k/train/a.jpg": bytes(100 << 20)})
    for name in ("bomb.zip", "bomb.tgz"):
        assert main(["bdd100k", "--from", str(tmp_path / name), "--to", str(tmp_path / "root")]) == 2
        assert "perhaps made to fill disks" in capsys.readouterr().err
    zipped(tmp_path / "overlap.zip", {f"images/10k/train/{name}.jpg": picture() for name in "ab"})
    content = bytearray((tmp_path / "overlap.zip").read_bytes())
    second = content.rindex(b"PK\x01\x02")
    content[second + 42 : second + 46] = bytes(4)  # both entries say that they begin at 0
    (tmp_path / "overlap.zip").write_bytes(content)
    assert main(["bdd100k", "--from", str(tmp_path / "overlap.zip"), "--to", str(tmp_path / "root")]) == 2
    assert "overlaps another" in capsys.readouterr().err
    assert not (tmp_path / "root" / "images").exists()


def test_a_matlab_bomb_is_refused(tmp_path, capsys):
    pytest.importorskip("scipy", reason="SciPy reads and writes this data set's files")
    small = mat({"S": np.zeros((64, 64), np.uint8)})
    body = bytearray(zlib.decompress(small[136:]))
    body[4:8] = (1 << 30).to_bytes(4, "little")
    packed = zlib.compress(bytes(body))
    bomb = small[:128] + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
    zipped(tmp_path / "a.zip", {"annotations/COCO_train2014_000000000077.mat": bomb})
    assert main(["cocostuff10k", "--from", str(tmp_path / "a.zip"), "--to", str(tmp_path / "root")]) == 2
    assert "larger than any label map" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.zip", "a.tgz", "a.tar"])
def test_cut_archives_are_named(name, tmp_path, capsys):
    path = tmp_path / name
    files = {f"images/10k/train/{i}.jpg": picture(i, (64, 64)) for i in range(5)}
    (zipped if name == "a.zip" else tarred)(path, files)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert main(["bdd100k", "--from", str(path), "--to", str(tmp_path / "root")]) == 2
    assert re.search(rf"{name}.*cut short or damaged", capsys.readouterr().err)


def _bdd(folder, label):
    zipped(
        folder / "a.zip",
        {"images/10k/train/a.jpg": picture(), "labels/sem_seg/masks/train/a.png": label},
    )
    return ["bdd100k", "--from", str(folder / "a.zip"), "--to", str(folder / "root")]


def test_what_is_prepared_is_checked(tmp_path, capsys):
    assert main(_bdd(tmp_path, png(stored([0, 77])))) == 2
    assert re.search(r"1 of 1 samples .* wrong: .*a\.png: label values out of range: 77", capsys.readouterr().err)
    assert main([*_bdd(tmp_path, png(np.zeros((5, 6), np.uint8))), "--overwrite"]) == 2
    assert re.search(r"a\.png: the label map is 6x5 pixels .* 48x32", capsys.readouterr().err)
    assert main([*_bdd(tmp_path, b"no image"), "--overwrite"]) == 2
    assert "not an image" in capsys.readouterr().err
    assert main([*_bdd(tmp_path, png(stored([0, 18]))), "--overwrite"]) == 0
    told = capsys.readouterr()
    assert "train: 1 pictures (7000 are published)" in told.out
    assert "warning: train: not as many pictures as published" in told.err
    assert main([*_bdd(tmp_path, png(stored([0, 18]))), "--strict"]) == 1


def test_lists_that_name_absent_pictures_are_told(tmp_path, capsys):
    zipped(
        tmp_path / "a.zip",
        {"ImageSets/trn.txt": b"a\nb\n", "JPEGImages/a.jpg": picture(), "SegmentationClass/a.png": png(stored([0]))},
    )
    assert main(["aeroscapes", "--from", str(tmp_path / "a.zip"), "--to", str(tmp_path / "root")]) == 2
    assert re.search(
        r"JPEGImages/b\.jpg: there is no such picture, which aeroscapes/train lists", capsys.readouterr().err
    )


def test_wrong_arguments(tmp_path, capsys):
    assert main(["voq", "--from", str(tmp_path), "--to", str(tmp_path / "root")]) == 2
    assert "did you mean 'voc'" in capsys.readouterr().err
    assert main(["roadscape", "--from", str(tmp_path), "--to", str(tmp_path / "root")]) == 2
    assert "is not made from archives" in capsys.readouterr().err
    assert main(["voc", "--from", str(tmp_path / "absent"), "--to", str(tmp_path / "root")]) == 2
    assert "absent: there is no such file or folder" in capsys.readouterr().err
    assert main(["voc", "--from", str(tmp_path), "--to", str(tmp_path / "root")]) == 2
    assert re.search(r"holds no file of data set 'voc'; it is published as VOCtrainval", capsys.readouterr().err)


def test_nyuv2_is_turned_upright(tmp_path):
    pytest.importorskip("h5py", reason="h5py reads and writes this data set's file")
    images, labels = nyuv2_file(tmp_path / "nyu_depth_v2_labeled.mat", 5)
    assert main(["nyuv2", "--from", str(tmp_path / "nyu_depth_v2_labeled.mat"), "--to", str(tmp_path / "root")]) == 0
    assert (tmp_path / "root/test.txt").read_text().split() == ["0001", "0002"]  # as splits.mat has it
    test, train = (open_dataset("nyuv2", split, tmp_path / "root") for split in ("test", "train"))
    table = test.space.numberings["894"].table
    for i, sample in enumerate((test[0], test[1], train[0], train[1], train[2])):
        assert np.array_equal(sample.image, images[i])
        assert np.array_equal(sample.label, table.astype(np.uint8)[labels[i]])
    thirteen = open_dataset("nyuv2", "train", tmp_path / "root", classes=13)
    assert set(np.unique(thirteen[0].label)) <= {*range(13), IGNORE}


@pytest.mark.parametrize("damage", ["external", "link", "shape", "words", "lacking", "zip"])
def test_a_wrong_nyuv2_file(damage, tmp_path, capsys):
    h5py = pytest.importorskip("h5py", reason="h5py reads and writes this data set's file")
    path = tmp_path / "nyu_depth_v2_labeled.mat"
    nyuv2_file(path, 2)
    (tmp_path / "secret").write_bytes(bytes(1 << 16))
    with h5py.File(path, "r+") as file:
        shape = file["labels"].shape
        if damage == "link":
            with h5py.File(tmp_path / "other.h5", "w") as other:
                other["labels"] = np.zeros(shape, np.uint16)
        del file["labels"]
        if damage == "external":
            size = 2 * int(np.prod(shape))
            file.create_dataset("labels", shape, np.uint16, external=[(str(tmp_path / "secret"), 0, size)])
        elif damage == "link":
            file["labels"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "labels")
        elif damage == "shape":
            file["labels"] = np.zeros((2, 3, 3), np.uint16)
        elif damage == "words":
            file["labels"] = np.full(shape, b"abc", "S3")
    if damage == "zip":
        path.write_bytes(b"PK")
    assert main(["nyuv2", "--from", str(path), "--to", str(tmp_path / "root")]) == 2
    assert re.search(r"error: .*nyu_depth_v2_labeled\.mat: ", capsys.readouterr().err)


def test_labels_keep_their_numbers(tmp_path):
    """What the miniatures drew is what is read."""
    for name in ("pascal_context", "sbd", "cocostuff10k", "siftflow"):
        pytest.importorskip("scipy", reason="SciPy reads and writes this data set's files")
        folder = tmp_path / name
        folder.mkdir()
        root = prepared(name, folder)
        opened = open_dataset(name, "train", root)
        drawn = {
            "pascal_context": stored([*range(1, 460)], kind=np.uint16),
            "sbd": stored([*range(21)]),
            "cocostuff10k": stored([*range(183)]),
            "siftflow": stored([*range(34)]),
        }[name]
        label = opened.pairs[0].label
        assert np.array_equal(opened.decode(label), drawn)
        assert np.array_equal(opened[0].label, opened.label_table(label).astype(np.uint8)[drawn])


def test_regions_masks_and_persons(tmp_path):
    roots = {}
    for name in ("stanford_background", "weizmann_horses", "mhp"):
        (tmp_path / name).mkdir()
        roots[name] = prepared(name, tmp_path / name)
    rows = stored([-1, *range(8)], kind=np.int64)
    label = open_dataset("stanford_background", "trainval", roots["stanford_background"])[0].label
    assert np.array_equal(label, np.where(rows < 0, IGNORE, rows))
    parts = [
        {
            open_dataset("stanford_background", part, roots["stanford_background"], fold=fold).name_of(i)
            for i in range(n)
        }
        for fold in range(5)
        for part, n in (("val", 1),)
    ]
    assert len(set.union(*parts)) == 5
    mask = open_dataset("weizmann_horses", "train", roots["weizmann_horses"])[0].label
    assert np.array_equal(mask, np.kron(np.eye(2, dtype=np.uint8), np.ones((16, 24), np.uint8)))
    first, second = (stored([0, *range(19)], seed=person).astype(int) for person in (1, 2))
    merged = np.where(first > 0, first, second)
    assert np.array_equal(
        open_dataset("mhp", "train", roots["mhp"])[0].label, np.where(merged == 0, IGNORE, merged - 1)
    )


def test_coco_as_voc(tmp_path):
    root = prepared("coco_voc", tmp_path)
    assert [path.name for path in sorted((root / "labels/train2017").iterdir())] == [
        "000000000001.png"
    ]  # 64 px are few
    label = open_dataset("coco_voc", "train", root)[0].label
    person, car = 15, 7
    expected = np.zeros(SIZE, np.uint8)
    expected[:30, :40] = person
    expected[:, :2] = np.where(expected[:, :2] == person, IGNORE, car)
    assert np.array_equal(label, expected)


@pytest.mark.parametrize(
    "change",
    [
        {"images": [{"id": 1, "file_name": "..\\..\\evil.jpg", "height": 4, "width": 4}]},
        {"images": [{"id": 1, "file_name": "a.jpg", "height": 1 << 20, "width": 1 << 20}]},
        {"images": [{"id": 1, "file_name": "a.jpg", "height": -4, "width": -4}]},
        {"images": [{"id": 1, "file_name": 7, "height": 4, "width": 4}]},
        {
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "area": 1, "segmentation": [[0, 0, 1e18, 0, 0, 1e18]]}
            ]
        },
        {"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "area": "x", "segmentation": []}]},
        {"annotations": [{"id": 1, "image_id": 1, "category_id": [1], "area": 1, "segmentation": []}]},
        {"annotations": 7},
        {"images": None},
    ],
)
def test_hostile_annotations(change, tmp_path, capsys):
    content = {"images": [{"id": 1, "file_name": "a.jpg", "height": 4, "width": 4}], "annotations": [], **change}
    (tmp_path / "instances_val2017.json").write_text(json.dumps(content))
    zipped(tmp_path / "val2017.zip", {"val2017/1.jpg": picture(0, (4, 4))})
    assert main(["coco_voc", "--from", str(tmp_path), "--to", str(tmp_path / "in/root")]) == 2
    assert re.search(r"error: .*(instances_val2017|evil)", capsys.readouterr().err)
    assert not list(tmp_path.rglob("*evil*"))


def test_another_numbering_is_told(tmp_path, capsys):
    pytest.importorskip("scipy", reason="SciPy reads and writes PASCAL Context's files")
    categories = {row.stored[0]: row.name for row in pascal_context._ROWS}
    right = "".join(f"{number}: {categories.get(number, 'x')}\n" for number in range(1, 460))
    folder = tmp_path / "in"
    folder.mkdir()
    MINIATURES["pascal_context"].write(folder)
    (folder / "labels.txt").write_text(right)
    assert main(["pascal_context", "--from", str(folder), "--to", str(tmp_path / "a")]) == 0
    (folder / "labels.txt").write_text(right.replace("2: aeroplane", "2: zebra"))
    assert main(["pascal_context", "--from", str(folder), "--to", str(tmp_path / "b")]) == 2
    assert "labels.txt: category 2 is 'zebra' there, but 'aeroplane' here" in capsys.readouterr().err

    labels = [{"readable": row.name} for row in mapillary._V1]
    files = {"training/images/a.jpg": picture(), "training/v1.2/labels/a.png": png(stored([*range(66)]))}
    for name, config, status in (("c", labels, 0), ("d", labels[::-1], 2)):
        zipped(tmp_path / f"{name}.zip", {**files, "config.json": json.dumps({"labels": config}).encode()})
        assert main(["mapillary", "--from", str(tmp_path / f"{name}.zip"), "--to", str(tmp_path / name)]) == status
    assert "config.json: class 0 is 'Unlabeled' there, but 'Bird' here" in capsys.readouterr().err


def test_unpacked_archives_are_read_as_they_are(tmp_path):
    """Where the published layout is one that can be read, preparing only saves time."""
    places = {
        "cityscapes": "",
        "mapillary": "",
        "bdd100k": "bdd100k",
        "ade20k": "ADEChallengeData2016",
        "voc": "VOCdevkit/VOC2012",
        "sbd": "benchmark_RELEASE/dataset",
        "cocostuff10k": "",
        "aeroscapes": "aeroscapes",
        "mhp": "LV-MHP-v1",
    }
    pytest.importorskip("scipy", reason="SciPy reads and writes MATLAB's files")
    for name, place in places.items():
        (tmp_path / name).mkdir()
        root = prepared(name, tmp_path / name)
        for archive in (tmp_path / name / "archives").iterdir():
            shutil.unpack_archive(archive, tmp_path / name / "unpacked")
        here, there = (open_dataset(name, "train", folder) for folder in (root, tmp_path / name / "unpacked" / place))
        assert [here.name_of(i) for i in range(len(here))] == [there.name_of(i) for i in range(len(there))]
        assert np.array_equal(here[0].label, there[0].label)
        assert np.array_equal(here[0].image, there[0].image)


def test_pictures_that_would_fill_memory(tmp_path, capsys):
    for kind in (".png", ".jpg", ".bmp"):
        assert picture_size(picture(0, (20, 30), kind)) == (20, 30)
    assert picture_size(b"GIF89a") is None
    assert picture_size(picture()[:20]) is None
    huge = bytearray(png(stored([0])))
    huge[16:24] = (30000).to_bytes(4, "big") * 2
    assert main([*_bdd(tmp_path, bytes(huge))]) == 2
    assert "a picture of 30000x30000 pixels" in capsys.readouterr().err
    zipped(tmp_path / "a.zip", {"weizmann_horse_db/figure_ground/horse001.png": bytes(huge)})
    assert main(["weizmann_horses", "--from", str(tmp_path / "a.zip"), "--to", str(tmp_path / "b")]) == 2
    assert "a picture of 30000x30000 pixels" in capsys.readouterr().err

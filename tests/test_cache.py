"""Decoded samples that are kept: the same bytes, bounded, renewed when files change, shared by processes."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.config import load_config
from core.data import cache as module
from core.data import open_dataset
from core.data.cache import CachedDataset, cached
from core.data.pipeline import TrainingSamples
from core.data.transforms import TrainTransform
from core.errors import ConfigError, DataError, OutputError

SIZE = 24 * 32 * 4 + 20  # bytes of a kept sample


def _root(folder: Path, count: int = 6) -> Path:
    rng = np.random.default_rng(0)
    for name in ("train", "trainannot"):
        (folder / name).mkdir(parents=True)
    for i in range(count):
        cv2.imwrite(str(folder / "train" / f"{i}.png"), rng.integers(0, 256, (24, 32, 3), np.uint8))
        cv2.imwrite(str(folder / "trainannot" / f"{i}.png"), rng.integers(0, 12, (24, 32), np.uint8))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return _root(tmp_path / "data")


def _kept(root: Path, folder: Path, samples: float = 100, **options: object) -> CachedDataset:
    dataset = open_dataset("camvid", "train", root, **options)
    found = cached(dataset, "disk", str(folder), samples * SIZE / 2**30, options)
    assert isinstance(found, CachedDataset)
    return found


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix == ".sample"}


def _same(found, plain) -> None:
    np.testing.assert_array_equal(found.image, plain.image)
    np.testing.assert_array_equal(found.label, plain.label)
    assert found.name == plain.name


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_what_is_kept_is_what_was_decoded(root, tmp_path, monkeypatch, kind) -> None:
    plain = open_dataset("camvid", "train", root)
    kept = cached(plain, kind, str(tmp_path / "kept") if kind == "disk" else None, 1.0, {})
    for _ in range(2):
        for i in range(6):
            _same(kept[i], plain[i])
            np.testing.assert_array_equal(kept.label_of(i), plain[i].label)
    monkeypatch.setattr(type(plain), "__getitem__", lambda *_: pytest.fail("decoded again"))
    _same(pickle.loads(pickle.dumps(kept))[3], kept[3])
    picture, label = kept.open_sample(2)
    assert isinstance(picture.first(1, 1).base, np.ndarray)
    assert not picture.first(1, 1).flags.writeable
    assert kept.location(1) == plain.location(1)
    assert (kept.classes, len(kept), kept.split) == (plain.classes, 6, "train")
    folder = kept.folder
    assert len(_files(folder)) == 6
    del kept, picture, label
    assert folder.exists() == (kind == "disk")


def test_training_samples_are_the_same_bytes(root, tmp_path) -> None:
    transform = TrainTransform(crop=(16, 16), hue=0.1)
    plain = TrainingSamples(open_dataset("camvid", "train", root), transform, 1, 6, 3)
    kept = TrainingSamples(_kept(root, tmp_path / "kept"), transform, 1, 6, 3)
    for i in range(18):
        assert all(a.tobytes() == b.tobytes() for a, b in zip(plain[i], kept[i]))


def test_a_changed_file_is_decoded_anew(root, tmp_path) -> None:
    kept = _kept(root, tmp_path / "kept")
    before = kept[0].image
    path = root / "train" / "0.png"
    cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    np.testing.assert_array_equal(kept[0].image, 255 - before)
    label = root / "trainannot" / "1.png"
    kept[1]
    cv2.imwrite(str(label), np.full((24, 32), 3, np.uint8))
    os.utime(label, ns=(1, 1))
    assert (kept[1].label == 3).all()


def test_options_that_read_differently_are_kept_apart(root, tmp_path) -> None:
    folder = tmp_path / "kept"
    assert (_kept(root, folder)[0].label == 255).any()
    assert not (_kept(root, folder, void_class=True)[0].label == 255).any()
    assert len(_files(folder)) == 2


def test_the_size_is_bounded_and_counted_again_by_the_next_run(root, tmp_path, capsys) -> None:
    folder = tmp_path / "kept"
    kept = _kept(root, folder, samples=3.5)
    plain = open_dataset("camvid", "train", root)
    for i in range(6):
        _same(kept[i], plain[i])
    assert len(_files(folder)) == 3
    assert capsys.readouterr().err.count("is full; what is not kept yet is decoded anew each time") == 1
    again = _kept(root, folder, samples=4.5)
    for i in range(6):
        _same(again[i], plain[i])
    assert len(_files(folder)) == 4


def _read_all(arguments) -> int:
    kept, turn = arguments
    for i in range(6):
        place = (i + turn) % 6
        sample = kept[place]
        assert sample.label is not None
        _same(sample, kept.dataset[place])
    return len(_files(kept.folder))


def test_several_processes_keep_one_copy_and_one_bound(root, tmp_path) -> None:
    kept = _kept(root, tmp_path / "kept", samples=4)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        pool.map(_read_all, [(kept, turn) for turn in range(3)], chunksize=1)
    assert len(_files(kept.folder)) <= 4
    assert int((kept.folder / "bytes").read_text()) <= 4 * SIZE
    assert not [path for path in kept.folder.iterdir() if path.name.endswith(".partial")]


def test_half_a_file_counts_for_none(root, tmp_path) -> None:
    folder = tmp_path / "kept"
    kept = _kept(root, folder)
    plain = kept[0]
    (path,) = (folder / name for name in _files(folder))
    path.write_bytes(path.read_bytes()[:-7])
    _same(kept[0], plain)
    path.write_bytes(b"x")
    _same(kept[0], plain)
    (folder / f"{path.name}.999999999.partial").write_bytes(b"x")
    _kept(root, folder)
    assert not list(folder.glob("*.partial"))


def test_a_full_disk_is_one_sentence_and_no_end(root, tmp_path, monkeypatch, capsys) -> None:
    kept = _kept(root, tmp_path / "kept")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "replace", fail)
    plain = open_dataset("camvid", "train", root)
    for i in range(3):
        _same(kept[i], plain[i])
    assert capsys.readouterr().err.count("kept: No space left on device; what is not kept") == 1
    assert [path.name for path in kept.folder.iterdir()] == ["bytes"]
    monkeypatch.undo()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    _same(_kept(root, tmp_path / "other")[0], plain[0])
    assert "has less than 256 MiB left" in capsys.readouterr().err


def test_what_killed_processes_left_in_memory_is_removed(root, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "_SHARED_MEMORY", tmp_path)
    orphan, other = tmp_path / "segparity-cache-999999999-abc", tmp_path / f"segparity-cache-{os.getpid()}-x"
    orphan.mkdir()
    other.mkdir()
    kept = cached(open_dataset("camvid", "train", root), "memory", None, 1.0, {})
    assert kept[0].label is not None
    assert not orphan.exists()
    assert other.exists()


def test_wrong_settings_and_files(root, tmp_path) -> None:
    with pytest.raises(ConfigError, match="'roadscape' has no files"):
        load_config(None, ["data.cache=memory"]).open_training_set()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot keep decoded samples"):
        _kept(root, tmp_path / "file")
    kept = _kept(root, tmp_path / "kept")
    (root / "train" / "0.png").write_bytes(b"no picture")
    (root / "train" / "1.png").unlink()
    for i in (0, 1):
        with pytest.raises(DataError, match=rf"{i}\.png"):
            kept[i]
    for wrong in ("data.cache=ram", "data.cache_gib=2", "data.cache_dir=x"):
        with pytest.raises(ConfigError):
            load_config(None, [wrong])


def test_a_run_s_training_split_is_kept(root, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    settings = ["data.dataset=camvid", f"data.root={root}"]
    assert not isinstance(load_config(None, settings).open_training_set(), CachedDataset)
    kept = load_config(None, [*settings, "data.cache=disk", "data.cache_gib=0.5"]).open_training_set()
    assert isinstance(kept, CachedDataset)
    assert kept.folder == tmp_path / "home" / "segparity" / "decoded"
    assert kept.limit == 2**29
    chosen = load_config(None, [*settings, "data.cache=disk", f"data.cache_dir={tmp_path}/here"]).open_training_set()
    assert chosen.folder == tmp_path / "here"

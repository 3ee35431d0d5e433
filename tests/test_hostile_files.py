"""Hostile and damaged weight files: refused with a message that says why, in bounded time and memory; nothing runs."""

from __future__ import annotations

import os
import pickle
import re
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from core.errors import OutputError, WeightsError
from tests import hostile_files
from weights_convert import formats
from weights_convert.formats import Limits, Tensors, check_finite, detect, read, write

FIXED, MULTIPLE = 24 << 20, 16  # refusing a file of n bytes may take FIXED + MULTIPLE * n bytes of memory
TABLES = ("PICKLES", "ARRAYS", "TORCH", "ZIPS", "SAFETENSORS", "PARAMS")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    """The folder of hostile files, made once: path -> part of the message."""
    return hostile_files.write_all(tmp_path_factory.mktemp("hostile"))


def test_every_hostile_file_is_refused(
    hostile: dict[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = []
    for path, message in hostile.items():
        begin = time.process_time()
        try:
            read(path)
            wrong.append(f"{path.name}: was read")
        except WeightsError as error:
            text = str(error)
            if not re.search(message, text):
                wrong.append(f"{path.name}: {text} (expected {message!r})")
            if str(path) not in text:
                wrong.append(f"{path.name}: the message does not name the file: {text}")
            if len(text) > 1500:
                wrong.append(f"{path.name}: a message of {len(text)} characters")
        if time.process_time() - begin > 5:
            wrong.append(f"{path.name}: took {time.process_time() - begin:.1f} s of processor time")
    assert not wrong, "\n".join(wrong)
    assert len(hostile) > 250
    assert not (tmp_path / hostile_files.SENTINEL).exists(), "a payload ran"
    assert list(tmp_path.iterdir()) == []


def test_the_payloads_are_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own unpickler runs them; otherwise the test above would prove nothing."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(hostile_files.PICKLES["os.system"][0])
    assert (tmp_path / hostile_files.SENTINEL).exists()


@pytest.mark.parametrize("table", TABLES)
def test_refusing_takes_little_memory(hostile: dict[Path, str], table: str) -> None:
    kinds = {"PICKLES": ("bare",), "ARRAYS": ("array",), "TORCH": ("torch",), "ZIPS": ("zipped",)}
    kinds |= {"SAFETENSORS": ("safe",), "PARAMS": ("mxnet",)}
    wrong = []
    tracemalloc.start()
    try:
        for path in hostile:
            if path.name.split(" ")[0] in kinds[table]:
                tracemalloc.reset_peak()
                before, _ = tracemalloc.get_traced_memory()
                with pytest.raises(WeightsError):
                    read(path)
                peak = tracemalloc.get_traced_memory()[1] - before
                size = path.stat().st_size
                if peak > FIXED + MULTIPLE * size:
                    wrong.append(f"{path.name} ({size:,} bytes): {peak / 1e6:.0f} MB")
    finally:
        tracemalloc.stop()
    assert not wrong, "\n".join(wrong)


VALID = {".safetensors": hostile_files.state, ".pth": hostile_files.state, ".pdparams": hostile_files.state}
VALID |= {".params": hostile_files.state, ".legacy.pth": lambda _: hostile_files.legacy_state()}


@pytest.mark.parametrize("extension", list(VALID))
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, extension: str) -> None:
    raw = VALID[extension](extension)
    path = tmp_path / f"cut{extension}"
    path.write_bytes(raw)
    assert len(read(path)) == 3
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(WeightsError, match="cut"):
            read(path)


@pytest.mark.parametrize("extension", [e for e in VALID if e != ".pth"])
def test_a_file_that_goes_on_is_refused(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"long{extension}"
    path.write_bytes(VALID[extension](extension) + b"\0" * 8)
    with pytest.raises(WeightsError, match=r"left over|belong to none"):
        read(path)


def test_legacy_storages_are_checked(tmp_path: Path) -> None:
    pickled = hostile_files.GOOD_PICKLE.replace(b"K\x04tQ", b"K\x04NtQ")
    eight = b"\x04" + bytes(7)
    cases = {
        "cut": hostile_files.legacy(pickled, ["0"], [eight, bytes(15)]),
        "elements in the data": hostile_files.legacy(pickled, ["0"], [b"\x05" + bytes(7), bytes(20)]),
        "elements in the data, 4": hostile_files.legacy(pickled, ["0"], [b"\xff" * 8, bytes(16)]),
        "unknown or named twice": hostile_files.legacy(pickled, ["0", "0"], [eight, bytes(16)] * 2),
        "which is unknown": hostile_files.legacy(pickled, ["1"], [eight, bytes(16)]),
        "is used and not in the file": hostile_files.legacy(pickled, [], []),
        "left over": hostile_files.legacy(pickled, ["0"], [eight, bytes(17)]),
    }
    path = tmp_path / "a.pth"
    for message, raw in cases.items():
        path.write_bytes(raw)
        with pytest.raises(WeightsError, match=message):
            read(path)
    path.write_bytes(hostile_files.legacy(pickled, ["0"], [eight, bytes(16)]))
    np.testing.assert_array_equal(read(path)["a"], np.zeros(4, np.float32))


def test_what_is_no_weight_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with pytest.raises(WeightsError, match="No such file"):
        read(path)
    with pytest.raises(WeightsError, match="not a regular file"):
        read(tmp_path)
    with pytest.raises(WeightsError, match="cannot be opened"):
        read("a\0b.pth")
    fifo = tmp_path / "fifo.pth"
    os.mkfifo(fifo)
    with pytest.raises(WeightsError, match="not a regular file"):
        read(fifo)
    for raw, message in {
        b"": "empty",
        b"<!DOCTYPE html><html>": "HTML",
        b"version https://git-lfs.github.com/spec/v1\n": "Git LFS",
        b"\x89HDF\r\n\x1a\n" + bytes(20): "HDF5",
        b"\x1f\x8b\x08" + bytes(20): "gzip",
        bytes(257) + b"ustar" + bytes(300): "tar archive",
        bytes(64): "pdiparams",
        b"PK\x05\x06" + bytes(18): "empty zip",
    }.items():
        path.write_bytes(raw)
        with pytest.raises(WeightsError, match=message):
            read(path)
        path.with_suffix(".bin").write_bytes(raw)
        with pytest.raises(WeightsError, match=message):
            detect(path.with_suffix(".bin"))


def test_content_decides_and_a_wrong_name_is_an_error(tmp_path: Path) -> None:
    names = {".safetensors": "safetensors", ".pth": "pth", ".pdparams": "pdparams", ".params": "params"}
    for extension, name in names.items():
        raw = hostile_files.state(extension)
        for suffix in (*formats.FORMATS, ".bin", ""):
            path = tmp_path / f"model{suffix}"
            path.write_bytes(raw)
            if suffix in ("", ".bin") or formats.FORMATS[suffix].name == name:
                assert detect(path) == name
                assert read(path).format == name
            else:
                for function in (detect, read):
                    with pytest.raises(WeightsError, match=f"is named like .*rename it to {extension}"):
                        function(path)
    evil = tmp_path / "evil.pth"
    evil.write_bytes(hostile_files.PICKLES["os.system"][0])
    with pytest.raises(WeightsError, match=r"os\.system"):
        read(evil)


def test_limits_can_be_raised(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(hostile_files.torch_zip(hostile_files.tensor_pickle(
        hostile_files.storage_id(), b"K\x00J\x00\x00\x10\x00\x85K\x00\x85\x89N"), {"0": bytes(16)}))  # fmt: skip
    with pytest.raises(WeightsError, match="max_expansion"):
        read(path)
    assert read(path, limits=Limits(slack=1 << 30))["a"].shape == (1 << 20,)


# Writing: whole or not at all


@pytest.mark.parametrize("extension", [".safetensors", ".pth", ".pdparams", ".params"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, extension: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{extension}"
    write(path, {"w": np.ones(3, np.float32)})
    before = path.read_bytes()
    for tensors, message in (
        ({"w": np.zeros(2, np.float32), "o": np.array([{}], object)}, "'o' has the type object"),
        ({"w": np.zeros(2, np.float32), "s": np.array(["x"])}, "has the type str"),
        ({"": np.zeros(2, np.float32)}, "no name"),
        ({3: np.zeros(2, np.float32)}, "no name"),
        ({"\ud800": np.zeros(2, np.float32)}, "Unicode"),
        ({}, "no tensor"),
    ):
        with pytest.raises(WeightsError, match=message):
            write(path, tensors)  # type: ignore[arg-type]
    monkeypatch.setattr(os, "fsync", _disk_full)
    with pytest.raises(OutputError, match="No space left"):
        write(path, {"w": np.zeros(3, np.float32)})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


def _disk_full(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    class Interrupting(dict):  # type: ignore[type-arg]
        def items(self):  # type: ignore[no-untyped-def]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.pth", Interrupting(w=np.zeros(3)))
    assert os.listdir(tmp_path) == []
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "missing" / "a.pth", {"w": np.zeros(3)})
    with pytest.raises(WeightsError, match="names no format"):
        write(tmp_path / "a.bin", {"w": np.zeros(3)})


def test_a_file_can_replace_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    write(path, {"w": np.arange(100_000, dtype=np.float32)})
    for _ in range(3):
        write(path, read(path))
    np.testing.assert_array_equal(read(path)["w"], np.arange(100_000, dtype=np.float32))


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    arrays = [{"w": np.full(50_000, value, np.float32)} for value in range(8)]
    threads = [threading.Thread(target=write, args=(path, tensors)) for tensors in arrays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(read(path)["w"].tolist())) == 1
    assert os.listdir(tmp_path) == [path.name]


def test_not_finite_tensors_are_listed() -> None:
    tensors = Tensors(
        {
            "good": np.ones(3, np.float32),
            "nan": np.array([1, np.nan, np.nan]),
            "half": np.array([np.inf], np.float16),
            "whole": np.array([2**40]),
            "complex": np.array([complex(0, np.inf)]),
        }
    )
    with pytest.raises(WeightsError, match=r"nan \(2 of 3\), half \(1 of 1\), complex \(1 of 1\)$"):
        check_finite(tensors)
    check_finite({"good": tensors["good"], "whole": tensors["whole"]})

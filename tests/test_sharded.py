"""Weights in several files with an index."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import WeightsError
from weights_convert.__main__ import main
from weights_convert.formats import read, write

W, V = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(3, np.float64)
FILES = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    write(tmp_path / FILES[0], {"a": W, "c": V})
    write(tmp_path / FILES[1], {"b": V, "unlisted": W})
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": {"a": FILES[0], "b": FILES[1], "c": FILES[0]}}))
    return path


def test_shards_are_one_set_of_tensors(index: Path, tmp_path: Path) -> None:
    got = read(index)
    assert list(got) == ["a", "b", "c"]
    for name, array in {"a": W, "b": V, "c": V}.items():
        assert (got[name].dtype, got[name].tobytes()) == (array.dtype, array.tobytes())
    assert any("2 files" in note for note in got.notes)
    assert any("unlisted" in note for note in got.notes)
    assert main(["inspect", str(index)]) == 0
    assert main([str(index), str(tmp_path / "whole.pth"), "--as-is"]) == 0
    assert list(read(tmp_path / "whole.pth")) == ["a", "b", "c"]


def test_a_missing_or_incomplete_shard_is_named(index: Path, tmp_path: Path) -> None:
    write(tmp_path / FILES[1], {"other": V})
    with pytest.raises(WeightsError, match=r"b \(model-00002"):
        read(index)
    (tmp_path / FILES[1]).unlink()
    with pytest.raises(WeightsError, match="get all 2 files"):
        read(index)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "weight_map"),
        ('{"weight_map": {}}', "weight_map"),
        ('{"weight_map": {"a": 3}}', "weight_map"),
        ('{"weight_map": {"a": "../secret.safetensors"}}', "lies beside its index"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "lies beside its index"),
        ('{"weight_map": {"a": "c:x.safetensors"}}', "lies beside its index"),
        ('{"weight_map": {"a": ".."}}', "lies beside its index"),
        ('{"weight_map": {"a": "model.safetensors.index.json"}}', "lies beside its index"),
    ],
)
def test_hostile_and_damaged_indexes_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(text)
    with pytest.raises(WeightsError, match=message):
        read(path)

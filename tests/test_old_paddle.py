"""Paddle before and beside state dictionaries: a file per parameter, streams with a program, pickles of 1.x."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from core.errors import WeightsError
from tests.hostile_files import field, paddle_program, paddle_tensor
from weights_convert.__main__ import main
from weights_convert.formats import read

W = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
ARRAYS = {"conv2d_10.w_0": W, "conv2d_2.w_0": W[:1] + 1, "fc_0.w_0": np.ones((3, 4), np.float32), "step": np.array([7])}
USED = ("conv2d_2.w_0", "conv2d_10.w_0")


def stream(arrays: dict[str, np.ndarray]) -> bytes:
    return b"".join(paddle_tensor(arrays[name]) for name in sorted(arrays))


def same(got: dict[str, np.ndarray]) -> bool:
    return set(got) == set(ARRAYS) and all(np.array_equal(got[name], array) for name, array in ARRAYS.items())


def test_a_file_for_each_parameter(tmp_path: Path) -> None:
    for name, array in (ARRAYS | {"entry/conv1/weights": W}).items():
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(paddle_tensor(array))
    (tmp_path / "model" / "readme.txt").write_text("not a tensor")
    got = read(tmp_path / "model")
    assert np.array_equal(got["entry/conv1/weights"], W)
    assert len(got) == len(ARRAYS) + 1
    assert any("readme.txt" in note for note in got.notes)
    assert main([str(tmp_path / "model"), str(tmp_path / "out.npz"), "--as-is"]) == 0
    assert set(read(tmp_path / "out.npz")) == set(got)
    assert main(["inspect", str(tmp_path / "model")]) == 0


@pytest.mark.parametrize(("program", "parameters"), [("__model__", "__params__"), ("n.pdmodel", "n.pdiparams")])
def test_a_program_with_its_parameters(tmp_path: Path, program: str, parameters: str) -> None:
    (tmp_path / program).write_bytes(paddle_program(ARRAYS, USED))
    (tmp_path / parameters).write_bytes(stream(ARRAYS))
    for path in (tmp_path, tmp_path / program, tmp_path / parameters):
        got = read(path)
        assert same(dict(got))
        assert list(got)[:2] == list(USED)  # in the order in which the program uses them
        assert {file.name for file in got.files} == {program, parameters}


def test_a_program_whose_parameters_have_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "__model__").write_bytes(paddle_program(ARRAYS))
    for name, array in ARRAYS.items():
        (tmp_path / name).write_bytes(paddle_tensor(array))
    assert same(dict(read(tmp_path)))
    (tmp_path / "fc_0.w_0").unlink()
    with pytest.raises(WeightsError, match=r"lack their files: fc_0\.w_0"):
        read(tmp_path)


def test_structured_names_of_jit_save(tmp_path: Path) -> None:
    (tmp_path / "n.pdmodel").write_bytes(paddle_program(ARRAYS))
    (tmp_path / "n.pdiparams").write_bytes(stream(ARRAYS))
    info = {name: {"structured_name": f"layer.{i}", "stop_gradient": True} for i, name in enumerate(ARRAYS)}
    (tmp_path / "n.pdiparams.info").write_bytes(pickle.dumps(info, 2))
    got = read(tmp_path / "n.pdmodel")
    assert set(got) == {f"layer.{i}" for i in range(len(ARRAYS))}
    assert got.name_table["layer.0"] == "conv2d_10.w_0"


def test_a_program_of_other_parameters_is_refused(tmp_path: Path) -> None:
    (tmp_path / "n.pdmodel").write_bytes(paddle_program(ARRAYS))
    (tmp_path / "n.pdiparams").write_bytes(stream(ARRAYS | {"fc_0.w_0": np.ones((4, 3), np.float32)}))
    with pytest.raises(WeightsError, match=r"fc_0\.w_0 is \[3, 4\].*is \[4, 3\]"):
        read(tmp_path / "n.pdmodel")
    (tmp_path / "n.pdiparams").write_bytes(stream(ARRAYS)[:-4])
    with pytest.raises(WeightsError, match="cut or damaged"):
        read(tmp_path / "n.pdmodel")
    (tmp_path / "n.pdiparams").write_bytes(paddle_tensor(W))
    with pytest.raises(WeightsError, match="do not belong together"):
        read(tmp_path / "n.pdmodel")


def test_parameters_without_their_program(tmp_path: Path) -> None:
    (tmp_path / "n.pdiparams").write_bytes(stream(ARRAYS))
    with pytest.raises(WeightsError, match=r"its program, \.pdmodel or __model__, must lie beside"):
        read(tmp_path / "n.pdiparams")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\xff" * 40, "more than ten bytes"),
        (field(1, b"\x1a\x7f"), "claims"),
        (b"\x0b", "wire type 3"),
        (b"\x00\x00", "number 0"),
        (
            field(
                1,
                field(3, field(1, b"\xff\xfe") + field(2, field(1, 7) + field(3, field(1, field(1, 5)))) + field(3, 1)),
            ),
            "UTF-8",
        ),
        (field(1, field(3, field(2, field(1, 7)) + field(3, 1))), "no name"),
        (field(9, 1), "keeps no tensor"),
        (field(1, 5), "a number, where a message"),
    ],
)
def test_hostile_programs_are_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "n.pdmodel").write_bytes(raw)
    (tmp_path / "n.pdiparams").write_bytes(paddle_tensor(W))
    with pytest.raises(WeightsError, match=message):
        read(tmp_path / "n.pdmodel")


def test_a_pickle_of_paddle_1(tmp_path: Path) -> None:
    """fluid.save and save_dygraph: protocol 2, names of layers or of the static graph."""
    path = tmp_path / "m.pdparams"
    path.write_bytes(pickle.dumps({**ARRAYS, "StructuredToParameterName@@": {"step": "step"}}, 2))
    assert same(dict(read(path)))

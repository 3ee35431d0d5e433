"""`python -m parity_tests compare`: the walk through a port of docs/port_your_own.md, and what it says of wrong use."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from core.description import FOLDER, descriptions
from core.errors import SegParityError, WeightsError
from parity_tests.__main__ import main
from parity_tests.port.comparison import _by_bias, module_map, size_of
from weights_convert.name_map import NameMap, Pair, read_map, write_map

PAGE = FOLDER.parent / "docs" / "port_your_own.md"
RIGHT = (
    "python -m parity_tests compare --left torch:mine:build --right paddle:theirs:build --map names.yaml "
    "--input 2x3x16x16"
)


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the page, in the folder that the command runs in."""
    text = PAGE.read_text(encoding="utf-8")
    python = re.findall(r"`(\w+\.py)`.*?```python\n(.*?)```", text, re.DOTALL)
    assert [name for name, _ in python] == ["mine.py", "theirs.py"]
    for name, source in python:
        (tmp_path / name).write_text(source)
    (tmp_path / "names.yaml").write_text(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])
    assert RIGHT in text
    monkeypatch.chdir(tmp_path)
    return tmp_path


def require(*names: str) -> None:
    missing = [name for name in names if not descriptions()[name].installed]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def test_the_planted_error_is_found(walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    require("torch", "paddle")
    assert main(RIGHT.split()[3:]) == 2
    text = capsys.readouterr().out
    assert re.search(r"WRONG forward, float64", text)
    assert re.search(r"first diverging submodule: stem\.bn \| first\.norm.*\n  its input agrees", text)
    steps = re.findall(r"^  (\S+) \| (\S+):", text, re.MULTILINE)
    assert steps == [("stem.bn", "first.norm"), ("stem", "first"), ("body.bn", "second.norm"), ("body", "second")]


@pytest.mark.slow
def test_the_mended_port_agrees(walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    require("torch", "paddle")
    source = (walk / "theirs.py").read_text()
    (walk / "theirs.py").write_text(source.replace("epsilon=1e-3", "epsilon=1e-5"))
    assert main(RIGHT.split()[3:]) == 0
    text = capsys.readouterr().out
    assert "WRONG" not in text
    assert "2 running variances differ by the factor n/(n-1) alone" in text
    assert "10, of which 0 differ" in text


@pytest.mark.slow
def test_a_port_to_gluon(walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Against itself in MXNet, whose names and statistics differ again."""
    require("torch", "mxnet")
    (walk / "gluon.py").write_text(
        "from mxnet.gluon import nn\n"
        "def block(channels, width):\n"
        "    made = nn.HybridSequential()\n"
        "    made.add(nn.Conv2D(width, 3, padding=1, use_bias=False, in_channels=channels))\n"
        "    made.add(nn.BatchNorm(epsilon=1e-5), nn.Activation('relu'))\n"
        "    return made\n"
        "def build():\n"
        "    net = nn.HybridSequential()\n"
        "    net.add(block(3, 8), block(8, 8), nn.Dropout(0.5), nn.GlobalAvgPool2D(), nn.Dense(5))\n"
        "    net.initialize()\n"
        "    return net\n"
    )
    leaves = {"weight": "gamma", "bias": "beta", "running_mean": "running_mean", "running_var": "running_var"}
    pairs = {"fc.weight": Pair("4.weight"), "fc.bias": Pair("4.bias")}
    for i, name in enumerate(("stem", "body")):
        pairs[f"{name}.conv.weight"] = Pair(f"{i}.0.weight")
        pairs |= {f"{name}.bn.{ours}": Pair(f"{i}.1.{theirs}") for ours, theirs in leaves.items()}
    write_map(walk / "gluon.yaml", NameMap(pairs), "")
    arguments = ["--left", "torch:mine:build", "--right", "mxnet:gluon.py:build", "--map", "gluon.yaml"]
    assert main(["compare", *arguments, "--input", "2x3x16x16"]) == 0, capsys.readouterr().out
    assert "the two networks agree" in capsys.readouterr().out


@pytest.mark.slow
def test_single_steps_of_the_zoo(capsys: pytest.CaptureFixture[str]) -> None:
    require("torch", "paddle")
    assert main(["trace", "--arch", "fcn_tiny", "--backends", "torch,paddle", "--single-step"]) == 0
    assert "of which 0 differ" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--left", "torch:mine", "--right", "paddle:theirs:build"], "expected FRAMEWORK:MODULE:CALLABLE"),
        (["--left", "jax:mine:build", "--right", "paddle:theirs:build"], "the frameworks are torch"),
        (["--left", "torch:mine:build", "--right", "paddle:theirs:build", "--input", "1x"], "a shape such as"),
    ],
)
def test_wrong_use_is_one_sentence(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = arguments if "--input" in arguments else [*arguments, "--input", "1x3x8x8"]
    assert main(["compare", *given]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_shapes() -> None:
    assert size_of("1x3x64X64") == (1, 3, 64, 64)
    with pytest.raises(SegParityError):
        size_of("1x0x3")


def test_the_bias_of_a_variance_is_told_from_an_error() -> None:
    rng = np.random.default_rng(0)
    before, v = rng.uniform(0.5, 2, 8), rng.uniform(0.5, 2, 8)
    biased, unbiased = 0.9 * before + 0.1 * v, 0.9 * before + 0.1 * v * 512 / 511
    assert _by_bias(before, unbiased, biased, 1e-6)
    assert _by_bias(before, biased, unbiased, 1e-6)
    assert not _by_bias(before, biased + rng.uniform(0, 1e-4, 8), biased, 1e-6)
    assert not _by_bias(before, 0.8 * before + 0.2 * v, biased, 1e-6)


def test_submodules_follow_their_parameters() -> None:
    pairs = {"a.conv.weight": Pair("x.0.w"), "a.bn.weight": Pair("x.1.w"), "b.fc.weight": Pair("y.w")}
    left, right = ["a", "a.conv", "a.bn", "a.act", "b", "b.fc"], ["x", "x.0", "x.1", "x.2", "y"]
    found = module_map(NameMap(pairs, modules={"a.act": "x.2"}), left, right)
    assert found == {"a": "x", "a.conv": "x.0", "a.bn": "x.1", "a.act": "x.2", "b.fc": "y"}
    nested = module_map(NameMap({"a.fc.weight": Pair("x.m.w")}), ["a", "a.fc"], ["x", "x.m"])
    assert nested == {"a": "x", "a.fc": "x.m"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b\nc: b\n", "'a' and 'c' both become 'b'"),
        ("pairs: {a: b}\nparis: {}\n", "'paris' is none of pairs, dropped, modules"),
        ("pairs: {a: {too: b}}", r"expected a name, or a mapping such as \{to: NAME"),
        ("pairs: {a: b}\ndropped: {a: why}", "both among the pairs and dropped"),
        ("[1]", "keys and values"),
    ],
)
def test_maps_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(WeightsError, match=message):
        read_map(tmp_path / "m.yaml")

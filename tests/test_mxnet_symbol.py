"""`NAME-symbol.json` beside MXNet's parameters, read without MXNet: what it changes, what it says, what is refused."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.arch import build
from core.errors import WeightsError
from core.initialize import initial_state
from weights_convert import import_weights, load_weights
from weights_convert.convert import write_native
from weights_convert.formats import read, write

GAMMA = np.array([0.5, 2.0, 1.0, 3.0], np.float32)


def graph(key: str = "attrs", **norm: str) -> dict[str, Any]:
    """A strided convolution and a batch norm, as MXNet writes them."""
    names = ["data", "conv0_weight", "bn0_gamma", "bn0_beta", "bn0_running_mean", "bn0_running_var"]
    nodes: list[dict[str, Any]] = [{"op": "null", "name": name, "inputs": []} for name in names]
    convolution = {"kernel": "(3, 3)", "stride": "(2, 2)", "dilate": "(1, 1)", "num_filter": "4", "no_bias": "True"}
    nodes.append({"op": "Convolution", "name": "conv0", key: convolution, "inputs": [[0, 0, 0], [1, 0, 0]]})
    inputs = [[6, 0, 0], [2, 0, 0], [3, 0, 0], [4, 0, 1], [5, 0, 1]]
    nodes.append({"op": "BatchNorm", "name": "bn0", key: norm, "inputs": inputs})
    return {"nodes": nodes, "arg_nodes": [0, 1, 2, 3, 4, 5], "heads": [[7, 0, 0]]}


def saved(folder: Path, symbol: Any) -> Path:
    """net-0012.params and, beside it, its symbol (text, or what is written as JSON)."""
    arrays = {
        "conv0_weight": np.full((4, 3, 3, 3), 0.25, np.float32),
        "bn0_gamma": GAMMA,
        "bn0_beta": np.zeros(4, np.float32),
        "bn0_running_mean": np.zeros(4, np.float32),
        "bn0_running_var": np.ones(4, np.float32),
    }
    write(folder / "net-0012.params", arrays)
    text = symbol if isinstance(symbol, str) else json.dumps(symbol)
    (folder / "net-symbol.json").write_text(text, encoding="utf-8")
    return folder / "net-0012.params"


@pytest.mark.parametrize(
    ("key", "norm", "fixed"),
    [
        ("attrs", {"fix_gamma": "True", "eps": "2e-05"}, True),
        ("attr", {"fix_gamma": "False", "eps": "2e-05"}, False),
        ("param", {"eps": "2e-05"}, True),  # the default
        ("attrs", {"fix_gamma": "0", "eps": "2e-05"}, False),
    ],
)
def test_a_fixed_gamma_is_one(key: str, norm: dict[str, str], fixed: bool, tmp_path: Path) -> None:
    path = saved(tmp_path, graph(key, **norm))
    tensors = read(path)
    np.testing.assert_array_equal(tensors["bn0_gamma"], np.ones(4) if fixed else GAMMA)
    assert (tensors["conv0_weight"] == 0.25).all()
    assert any("fix_gamma" in note for note in tensors.notes) == fixed
    assert "1 with stride 2x2" in tensors.facts["said"]
    assert "epsilon 2e-05" in tensors.facts["said"]
    assert set(tensors.files) == {path, tmp_path / "net-symbol.json"}


def test_folders_and_archives_bring_their_symbol(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    saved(tmp_path / "net", graph(fix_gamma="True"))
    with tarfile.open(tmp_path / "net.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "net", "net")
    for source in ("net", "net.tar.gz"):
        assert (read(tmp_path / source)["bn0_gamma"] == 1).all()


@pytest.mark.parametrize("name", ["model_algo-1-symbol.json", "fcn-symbol.json"])
def test_a_cloud_artefact_brings_its_symbol(name: str, tmp_path: Path) -> None:
    """Whatever it is called, the one symbol is that of the one network; facts of the job stay the job's."""
    saved(tmp_path, graph(fix_gamma="True"))
    (tmp_path / "hyperparams.json").write_text(json.dumps({"algorithm": "fcn", "num_classes": "5"}))
    held = {"hyperparams.json": "hyperparams.json", "net-0012.params": "model_algo-1", "net-symbol.json": name}
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        for file, inside in held.items():
            archive.add(tmp_path / file, inside)
    tensors = read(tmp_path / "model.tar.gz")
    assert (tensors["bn0_gamma"] == 1).all()
    assert any("fix_gamma" in note for note in tensors.notes)
    assert (tensors.facts["kind"], tensors.facts["num_classes"]) == ("cloud training job", "5")
    # Unpacked, the same two lie beside each other.
    (tmp_path / "net-0012.params").rename(tmp_path / "model_algo-1")
    (tmp_path / "net-symbol.json").rename(tmp_path / "model_algo-1-symbol.json")
    assert (read(tmp_path / "model_algo-1")["bn0_gamma"] == 1).all()


def test_a_damaged_symbol_in_an_artefact_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, "{")
    (tmp_path / "net-0012.params").rename(tmp_path / "model_algo-1")
    (tmp_path / "hyperparams.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"net-symbol\.json: is no valid JSON; .*take it away"):
        read(tmp_path)


def test_another_networks_symbol_changes_nothing(tmp_path: Path) -> None:
    text = json.dumps(graph(fix_gamma="True")).replace("conv0_", "other_").replace("bn0_", "others_")
    tensors = read(saved(tmp_path, text))
    np.testing.assert_array_equal(tensors["bn0_gamma"], GAMMA)
    assert any("another network's" in note for note in tensors.notes)
    assert not tensors.facts


@pytest.mark.parametrize(("eps", "warned"), [("1e-05", False), ("0.001", True)])
def test_another_epsilon_than_the_networks_is_said(eps: str, warned: bool, tmp_path: Path) -> None:
    spec = build("fast_scnn_tiny", 5).for_inference()
    write_native(tmp_path / "net.params", spec, initial_state(spec.parameters(), 1), {})
    gamma = next(name for name in read(tmp_path / "net.params") if name.endswith(".gamma"))
    text = json.dumps(graph(fix_gamma="False", eps=eps)).replace("bn0_gamma", gamma)
    (tmp_path / "net-symbol.json").write_text(text, encoding="utf-8")
    for notes in (
        import_weights(tmp_path / "net.params", origin="segparity", preset="fast_scnn_tiny").notes,
        load_weights(tmp_path / "net.params", spec).notes,
    ):
        found = [note for note in notes if "batch norms have epsilon 0.001, the network's 1e-05" in note]
        assert len(found) == warned


def _changed(index: int, **entries: Any) -> dict[str, Any]:
    symbol = graph(fix_gamma="True")
    symbol["nodes"][index] |= entries
    return symbol


HOSTILE: dict[str, tuple[Any, str]] = {
    "cut": (json.dumps(graph())[:-20], "no valid JSON"),
    "deep": ("[" * 200_000, "no valid JSON"),
    "huge number": ('{"nodes": [' + "9" * 10_000 + "]}", "no valid JSON|no operator and name"),
    "no graph": ([1, 2], "no list of nodes"),
    "no nodes": ({"nodes": []}, "no list of nodes"),
    "nodes of text": ({"nodes": ["x"]}, "node 0 has no operator and name"),
    "input after its node": (_changed(7, inputs=[[6, 0, 0], [7, 0, 0]]), "node 7 .*damaged"),
    "negative input": (_changed(7, inputs=[[6, 0, 0], [-1, 0, 0]]), "node 7 .*damaged"),
    "input that is text": (_changed(7, inputs=[[6, 0, 0], "ab"]), "node 7 .*damaged"),
    "no inputs": (_changed(6, inputs=[]), "node 6 .*damaged"),
    "attributes of numbers": (_changed(7, attrs={"eps": 1}), "node 7 .*damaged"),
    "attributes that are a list": (_changed(7, attrs=["eps"]), "node 7 .*damaged"),
    "fix_gamma maybe": (_changed(7, attrs={"fix_gamma": "maybe"}), "neither True nor False"),
    "epsilon of nothing": (_changed(7, attrs={"eps": "nan"}), "no epsilon"),
    "epsilon below zero": (_changed(7, attrs={"eps": "-1"}), "no epsilon"),
    "epsilon of dashes": (_changed(7, attrs={"eps": "--e"}), "could not convert|no epsilon"),
    "long stride": (_changed(6, attrs={"stride": "(" + "1," * 100_000 + ")"}), "no sides of a stride"),
    "code for a stride": (_changed(6, attrs={"stride": "__import__('os')"}), "no sides of a stride"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_symbols_are_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    symbol, message = HOSTILE[name]
    with pytest.raises(WeightsError, match=message) as caught:
        read(saved(tmp_path, symbol))
    text = str(caught.value)
    assert "net-symbol.json" in text
    assert "take it away" in text
    assert len(text) < 600
    assert "\n" not in text

"""GluonCV beside MXNet: its own networks, saved by themselves, are read and written here as they are."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weights_convert.formats import read, write

SIDE = 64
pytestmark = pytest.mark.filterwarnings("ignore:Parameter .* is already initialized", "ignore:In the future `np.bool`")


@pytest.fixture(scope="module")
def network(backend: str) -> Any:
    """GluonCV's Fast-SCNN with an auxiliary head and random weights."""
    if backend != "mxnet":
        pytest.skip("GluonCV's networks are MXNet's")
    if find_spec("gluoncv") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("gluoncv is not installed (make setup)")
    from benchmarks import peers_mxnet

    peers_mxnet.import_package("gluoncv")
    mx = peers_mxnet.mx
    from gluoncv.model_zoo.fastscnn import FastSCNN

    mx.random.seed(0)
    made = FastSCNN(5, aux=True, height=SIDE, width=SIDE)
    made.initialize(mx.init.Xavier())
    made(mx.nd.zeros((1, 3, SIDE, SIDE)))  # shapes are told by the first picture
    return made


def logits(network: Any) -> list[np.ndarray]:
    from mxnet import nd

    picture = np.random.default_rng(0).standard_normal((1, 3, SIDE, SIDE)).astype(np.float32)
    return [output.asnumpy() for output in network(nd.array(picture))]


def test_its_file_is_read_under_its_names(network: Any, tmp_path: Path) -> None:
    network.save_parameters(str(tmp_path / "own.params"))
    found = read(tmp_path / "own.params")
    own = {name: parameter.data().asnumpy() for name, parameter in network._collect_params_with_prefix().items()}
    assert len(own) > 100
    assert set(found) == set(own)
    assert all(np.array_equal(found[name], own[name]) for name in own)


@pytest.mark.parametrize("way", ["params", "safetensors"])
def test_it_computes_the_same_from_a_file_written_here(network: Any, way: str, tmp_path: Path) -> None:
    """Through our readers and writers and back into GluonCV's own loader, every parameter zeroed in between."""
    network.save_parameters(str(tmp_path / "own.params"))
    before = logits(network)
    write(tmp_path / f"by_us.{way}", read(tmp_path / "own.params"))
    write(tmp_path / "back.params", read(tmp_path / f"by_us.{way}"))
    for parameter in network.collect_params().values():
        parameter.set_data(parameter.data() * 0)
    assert not np.array_equal(logits(network)[0], before[0])
    network.load_parameters(str(tmp_path / "back.params"))
    assert len(before) == 2
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(logits(network), before))

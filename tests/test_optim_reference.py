"""The reference optimizers: steps worked out by hand, parameter groups, gradient clipping."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest

from core.arch import build
from core.arch.inventory import BUFFERS, Kind, Parameter
from core.errors import ConfigError
from core.optim import DECAYED_KINDS, SGD, Adam, AdamW, GroupRule, OptimizerConfig, global_norm_clip, parameter_groups


def test_sgd_by_hand() -> None:
    w = {"a": np.array([1.0])}
    sgd = SGD({"a": (2.0, 0.1)}, momentum=0.5)
    sgd.step(w, {"a": np.array([0.4])}, lr=0.1)  # g = 0.5, buf = 0.5, w = 1 - 0.2 * 0.5
    assert w["a"][0] == pytest.approx(0.9)
    sgd.step(w, {"a": np.array([0.11])}, lr=0.05)  # g = 0.2, buf = 0.45: the new rate scales the whole buffer
    assert w["a"][0] == pytest.approx(0.9 - 0.1 * 0.45)
    assert sgd.momentum_buffer["a"][0] == pytest.approx(0.45)


def test_nesterov_by_hand() -> None:
    w = {"a": np.array([1.0])}
    sgd = SGD({"a": (1.0, 0.0)}, momentum=0.5, nesterov=True)
    sgd.step(w, {"a": np.array([1.0])}, lr=0.1)  # g + 0.5 * buf = 1.5
    sgd.step(w, {"a": np.array([1.0])}, lr=0.1)  # buf = 1.5, g + 0.75
    assert w["a"][0] == pytest.approx(1 - 0.15 - 0.175)


def test_adam_and_adamw_by_hand() -> None:
    # The first step is lr * g / (|g| + eps) whatever the betas.
    for optimizer, expected in ((Adam, 1.0 - 0.1 * 1.0), (AdamW, 1.0 - 0.1 * 0.5 - 0.1 * 1.0)):
        w = {"a": np.array([1.0])}
        optimizer({"a": (1.0, 0.5)}, betas=(0.5, 0.75), epsilon=0.0).step(w, {"a": np.array([0.3])}, lr=0.1)
        assert w["a"][0] == pytest.approx(expected)
    w = {"a": np.array([0.0])}
    adam = Adam({"a": (1.0, 0.0)}, betas=(0.5, 0.75), epsilon=0.1)
    adam.step(w, {"a": np.array([2.0])}, lr=1.0)
    first = -2.0 / (2.0 + 0.1)
    adam.step(w, {"a": np.array([0.0])}, lr=1.0)
    m, v = 0.5 * 1.0 / (1 - 0.25), 0.75 * 1.0 / (1 - 0.75**2)  # m = 1, v = 1 after the first step
    assert w["a"][0] == pytest.approx(first - m / (math.sqrt(v) + 0.1))
    assert adam.steps == 2


@pytest.mark.parametrize("optimizer", [SGD, Adam, AdamW])
def test_dtype_and_identity_of_parameters_are_kept(optimizer: type) -> None:
    array = np.ones((2, 3), np.float32)
    w = {"a": array}
    optimizer({"a": (1.0, 0.01)}).step(w, {"a": np.full((2, 3), 0.5, np.float32)}, lr=0.1)
    assert w["a"] is array
    assert array.dtype == np.float32
    assert (array < 1).all()


def test_missing_gradient_is_refused() -> None:
    with pytest.raises(ConfigError, match="differ in: b"):
        SGD({"a": (1.0, 0.0), "b": (1.0, 0.0)}).step({"a": np.ones(1), "b": np.ones(1)}, {"a": np.ones(1)}, lr=0.1)


def test_global_norm_clip() -> None:
    gradients = {"a": np.array([3.0, 0.0]), "b": np.array([[4.0]], np.float32)}
    clipped, norm = global_norm_clip(gradients, 1.0)
    assert norm == 5.0
    np.testing.assert_allclose(clipped["a"], [0.6, 0.0], rtol=1e-6)
    assert clipped["b"].dtype == np.float32
    same, _ = global_norm_clip(gradients, 10.0)
    np.testing.assert_array_equal(same["a"], gradients["a"])
    with pytest.raises(ConfigError, match="positive"):
        global_norm_clip(gradients, 0.0)


def inventory(prefix: str) -> list[Parameter]:
    return [Parameter(f"{prefix}.{kind}", (1,), kind, "zeros") for kind in get_args(Kind)]


def test_parameter_groups() -> None:
    parameters = inventory("backbone") + inventory("head")
    everywhere = parameter_groups(parameters, 1e-4)
    assert list(everywhere) == [p.name for p in parameters if p.kind not in BUFFERS]
    assert set(everywhere.values()) == {(1.0, 1e-4)}

    groups = parameter_groups(parameters, 1e-4, no_decay_on_norm_and_bias=True, head_lr_multiplier=10.0)
    for kind in ("conv", "deconv", "linear", "embedding"):
        assert groups[f"backbone.{kind}"] == (1.0, 1e-4)
        assert groups[f"head.{kind}"] == (10.0, 1e-4)
        assert kind in DECAYED_KINDS
    for kind in ("norm_scale", "norm_bias", "bias", "prelu"):
        assert groups[f"backbone.{kind}"] == (1.0, 0.0)
        assert groups[f"head.{kind}"] == (10.0, 0.0)
    assert list(groups) == list(everywhere)


def test_head_multiplier_needs_a_backbone() -> None:
    parameters = inventory("backbones")  # not "backbone."
    assert parameter_groups(parameters, 0.0)["backbones.conv"] == (1.0, 0.0)
    with pytest.raises(ConfigError, match="head_lr_multiplier"):
        parameter_groups(parameters, 0.0, head_lr_multiplier=10.0)
    with pytest.raises(ConfigError, match="weight_decay"):
        parameter_groups(parameters, -1.0)


def test_rates_fall_towards_the_input() -> None:
    """The head 1, the last block 0.5, the one before it 0.25; what has no number belongs to the block before it."""
    parameters = build("setr_naive_tiny").parameters()
    rules = OptimizerConfig(layer_decay=0.5).rules(parameters)
    rates = {name: multiplier for name, (multiplier, _) in rules.items()}
    assert {rates[name] for name in rates if not name.startswith("backbone.")} == {1.0}
    assert [rates[f"backbone.blocks.{i}.norm1.weight"] for i in range(4)] == [0.5**4, 0.5**3, 0.5**2, 0.5]
    assert rates["backbone.pos_embed"] == rates["backbone.patch_embed.weight"] == 0.5**5
    with pytest.raises(ConfigError, match=r"optimizer\.layer_decay is 0\.5, but this network has no parameter"):
        OptimizerConfig(layer_decay=0.5).rules(build("fast_scnn_tiny").parameters())


def test_groups_by_name() -> None:
    parameters = build("pspnet_tiny").parameters()
    given = (
        GroupRule("backbone.layer1.*", lr=0.1),
        GroupRule("*.bn1.*", weight_decay=0.0),
        GroupRule("backbone.stem.*", 0),
    )
    rules = OptimizerConfig(weight_decay=0.01, head_lr_multiplier=10.0, groups=given).rules(parameters)
    assert rules["backbone.layer1.0.conv1.weight"] == (0.1, 0.01)
    assert rules["backbone.layer1.0.bn1.weight"] == (0.1, 0.0)
    assert rules["backbone.layer2.0.bn1.bias"] == (1.0, 0.0)
    assert rules["head.classifier.weight"] == (10.0, 0.01)
    assert {rate for name, (rate, _) in rules.items() if name.startswith("backbone.stem.")} == {0.0}
    with pytest.raises(ConfigError, match=r"optimizer\.groups\[0\]\.match: no parameter is called like 'backbne"):
        OptimizerConfig(groups=(GroupRule("backbne.*"),)).rules(parameters)

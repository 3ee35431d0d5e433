"""Initial weights: deterministic by name, statistically what their names say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.arch import build
from core.arch.inventory import Parameter
from core.errors import ConfigError
from core.initialize import fans, initial_state, initial_value

SHAPE = (256, 128, 3, 3)


def value(init: str, seed: int = 0, name: str = "w", kind: str = "conv") -> np.ndarray:
    return initial_value(Parameter(name, SHAPE, kind, init), seed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("init", "deviation"),
    [
        ("kaiming_normal_fan_in", math.sqrt(2 / (128 * 9))),
        ("kaiming_normal_fan_out", math.sqrt(2 / (256 * 9))),
        ("kaiming_uniform_fan_in", math.sqrt(2 / (128 * 9))),
        ("xavier_normal", math.sqrt(2 / (384 * 9))),
        ("xavier_uniform", math.sqrt(2 / (384 * 9))),
        ("normal(0.01)", 0.01),
        ("trunc_normal(0.02)", 0.02 * 0.87962566),  # deviation of a normal cut at two deviations
    ],
)
def test_mean_and_deviation(init: str, deviation: float) -> None:
    weights = value(init).astype(np.float64)
    assert weights.std() == pytest.approx(deviation, rel=0.01)
    assert abs(weights.mean()) < 0.01 * deviation
    assert weights.shape == SHAPE


def test_truncation_and_uniform_bounds() -> None:
    assert np.abs(value("trunc_normal(0.02)")).max() <= 0.04
    assert np.abs(value("xavier_uniform")).max() <= math.sqrt(6 / (384 * 9))


def test_constants() -> None:
    assert np.all(value("zeros") == 0)
    assert np.all(value("ones") == 1)
    assert np.all(value("constant(0.25)") == 0.25)


def test_depends_on_seed_and_name_only() -> None:
    assert np.array_equal(value("normal(1)"), value("normal(1)"))
    assert not np.array_equal(value("normal(1)"), value("normal(1)", seed=1))
    assert not np.array_equal(value("normal(1)"), value("normal(1)", name="v"))


def test_another_head_leaves_the_backbone_as_it_is() -> None:
    few, many = (initial_state(build("pspnet_tiny", classes).parameters(), 3) for classes in (2, 19))
    for name in few:
        assert np.array_equal(few[name], many[name]) == (
            ".classifier.weight" not in name and ".classifier.bias" not in name
        )


def test_transposed_convolutions_count_their_fans_the_other_way() -> None:
    assert fans(Parameter("w", (8, 4, 2, 2), "deconv", "zeros")) == (32, 16)
    assert fans(Parameter("w", (8, 4, 2, 2), "conv", "zeros")) == (16, 32)


def test_unknown_initialiser_names_the_parameter() -> None:
    with pytest.raises(ConfigError, match=r"kaming_normal.* of w"):
        value("kaming_normal")


def test_known_value() -> None:
    """Guards against a silent change of the random streams: runs of other versions must stay reproducible."""
    state = initial_state(build("fast_scnn").parameters(), 0)
    assert state["detail.0.conv.weight"].ravel()[:2].tolist() == pytest.approx([-0.098085068, 0.155589774], rel=1e-5)

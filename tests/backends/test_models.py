"""Every preset has the canonical parameters; every tiny network takes any size its architecture permits."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from core.arch import PRESETS, Spec, build
from core.errors import SpecError, WeightsError
from core.initialize import initial_state

TINY = sorted(name for name in PRESETS if name.endswith("_tiny"))
SIZES = [(64, 64), (61, 83), (64, 64)]

Module = Callable[[str], ModuleType]


def model_of(module: Module, spec: Spec, dtype: str = "float32") -> object:
    model = module("parity").build(spec, dtype)
    module("state").set_state(model, initial_state(spec.parameters(), 0))
    return model


def picture(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def assert_parameters_are_the_inventory(spec: Spec, module: Module) -> None:
    state = module("state").get_state(module("parity").build(spec, "float32"))
    assert [(key, value.shape) for key, value in state.items()] == [(p.name, p.shape) for p in spec.parameters()]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_parameters_are_the_inventory(name: str, module: Module) -> None:
    """Of the preset made narrow, which keeps every switch; of itself below."""
    assert_parameters_are_the_inventory(PRESETS[name].spec.narrow(), module)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PRESETS))
def test_parameters_of_the_whole_network_are_the_inventory(name: str, module: Module) -> None:
    assert_parameters_are_the_inventory(PRESETS[name].spec, module)


@pytest.mark.parametrize("name", TINY)
def test_state_round_trip_is_exact(name: str, module: Module) -> None:
    spec = build(name)
    rng = np.random.default_rng(0)
    state = {p.name: rng.standard_normal(p.shape).astype(np.float32) for p in spec.parameters()}
    model = module("parity").build(spec, "float32")
    module("state").set_state(model, state)
    got = module("state").get_state(model)
    assert all(np.array_equal(state[key], got[key]) for key in state)


def test_a_state_that_does_not_fit_changes_nothing(module: Module) -> None:
    spec = build("fast_scnn_tiny")
    model = model_of(module, spec)
    before = module("state").get_state(model)
    broken = {key: value + 1 for key, value in before.items() if key != "head.classifier.bias"}
    with pytest.raises(WeightsError, match=r"head\.classifier\.bias"):
        module("state").set_state(model, broken)
    after = module("state").get_state(model)
    assert all(np.array_equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", TINY)
def test_any_permitted_size(name: str, train: bool, module: Module) -> None:
    spec = build(name).without_dropout()
    model = model_of(module, spec)
    results = []
    for height, width in (spec.size_at_least(*size) for size in SIZES):
        outputs = module("parity").forward(model, picture(2, 3, height, width), train)
        assert len(outputs) == len(spec.outputs())
        for values, output in zip(outputs, spec.outputs()):
            assert values.shape[:2] == (2, 1 if output.kind == "boundary" else spec.num_classes)
            assert np.isfinite(values).all()
        results.append(outputs)
    for first, again in zip(results[0], results[2]):  # the same size again: the same numbers
        assert np.allclose(first, again, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", TINY)
def test_in_inference_a_picture_does_not_see_its_batch(name: str, module: Module) -> None:
    spec = build(name)
    model = model_of(module, spec)
    x = picture(2, 3, *spec.size_at_least(64, 64))
    both = module("parity").forward(model, x, False)[0]
    alone = module("parity").forward(model, x[1:], False)[0]
    assert np.abs(both[1] - alone[0]).max() <= 1e-5 * np.abs(both).max()


@pytest.mark.parametrize("name", TINY)
def test_a_size_it_cannot_take_is_a_clear_error(name: str, module: Module) -> None:
    spec = build(name)
    model = model_of(module, spec)
    height, width = spec.size_at_least(64, 64)
    wrong = width + 1 if spec.multiple > 1 else spec.least - 1
    with pytest.raises(SpecError, match=f"input of {height}x{wrong}"):
        module("parity").forward(model, picture(1, 3, height, wrong), False)


@pytest.mark.parametrize("name", TINY)
def test_a_batch_of_one_value_per_channel_is_refused_in_training_alone(name: str, module: Module) -> None:
    """At the smallest picture; a network whose smallest map still has several places must train on it."""
    spec = build(name).without_dropout()
    size = spec.size_at_least(1, 1)
    model, x = model_of(module, spec), picture(1, 3, *size)
    module("parity").forward(model, x, False)
    if spec.smallest_normalised(*size) == (1, 1):
        with pytest.raises(SpecError, match="batch of 1"):
            module("parity").forward(model, x, True)
    else:
        module("parity").forward(model, x, True)


def test_inference_spec_gives_the_same_main_logits(module: Module) -> None:
    spec = build("pspnet_tiny")
    state = initial_state(spec.parameters(), 0)
    x = picture(1, 3, 64, 64)
    whole, small = module("parity").build(spec, "float32"), module("parity").build(spec.for_inference(), "float32")
    module("state").set_state(whole, state)
    kept = {p.name for p in spec.for_inference().parameters()}
    module("state").set_state(small, {name: value for name, value in state.items() if name in kept})
    expected, got = (module("parity").forward(model, x, False) for model in (whole, small))
    assert len(got) == 1
    assert np.array_equal(expected[0], got[0])

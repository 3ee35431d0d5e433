"""Gradient checkpointing computes again, and changes neither losses nor gradients nor running statistics."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core.config import load_config
from core.errors import ConfigError
from core.initialize import initial_state
from core.losses import Objective, resolve_terms
from tests.backends.test_models import TINY, picture

# One of each way of standing on a backbone, or on none; the rest is slow.
FEW = {"fast_scnn_tiny", "pspnet_tiny", "bisenet_tiny", "fcn_hrnet_tiny"}


def learner_of(module: Callable[[str], ModuleType], preset: str, *overrides: str) -> tuple[Any, Callable[[], Any]]:
    """A learner in float64, dropout and all, and what takes a step with it."""
    config = load_config(overrides=[f"model.preset={preset}", "train.precision=float64", *overrides])
    spec = config.spec(5)
    learner = module("learner").Learner(spec, config, "cpu")
    learner.set_state(initial_state(spec.parameters(), 0))
    height, width = spec.size_at_least(64, 96)
    images = picture(4, 3, height, width)
    labels = np.random.default_rng(2).integers(0, 5, (4, height, width))
    costs = resolve_terms(spec, config.loss)

    def step() -> Any:  # in two parts: statistics are counted twice, not four times
        parts = [images[:2], images[2:]]
        return learner.backward(parts, Objective(costs, [labels[:2], labels[2:]], spec.align_corners), seed=3)

    return learner, step


@pytest.mark.parametrize("name", [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in TINY])
def test_everything_is_equal(
    name: str, backend: str, module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last roundings of float64: the same operations on the same numbers, gradients summed in another order."""
    if backend == "mxnet":
        pytest.skip("MXNet refuses it")
    results, calls = [], [0]
    norm = module("layers").ConvNormAct
    forward = norm.forward

    def counted(self: Any, x: Any) -> Any:
        calls[-1] += 1
        return forward(self, x)

    monkeypatch.setattr(norm, "forward", counted)
    for setting in ("false", "true"):
        learner, step = learner_of(module, name, f"train.checkpoint_stages={setting}")
        before = learner.get_state()
        losses = step()
        calls.append(0)
        results.append((losses, module("parity").gradients(learner), learner.get_state()))
    (losses, gradients, state), (again, found, kept) = results
    assert calls[1] > calls[0] or not calls[0]
    np.testing.assert_allclose(again, losses, rtol=1e-12)
    largest = max(np.abs(gradient).max() for gradient in gradients.values())
    assert largest > 0
    for key, gradient in gradients.items():
        assert np.abs(found[key] - gradient).max() <= 1e-12 * largest, key
    assert set(kept) == set(state)
    for key, value in state.items():
        np.testing.assert_array_equal(kept[key], value, err_msg=key)
    norms = [key for key in state if "running_" in key]
    assert not norms or any((state[key] != before[key]).any() for key in norms)


def test_it_is_refused_where_it_cannot_be(backend: str, module: Callable[[str], ModuleType]) -> None:
    with pytest.raises(ConfigError, match="compile and checkpoint_stages exclude each other"):
        learner_of(module, "pspnet_tiny", "train.checkpoint_stages=true", "train.compile=true")
    if backend == "mxnet":
        with pytest.raises(ConfigError, match=r"train\.checkpoint_stages: .*MXNET_BACKWARD_DO_MIRROR.*leave it out"):
            learner_of(module, "pspnet_tiny", "train.checkpoint_stages=true")


def test_looking_for_hard_pixels_counts_no_statistics(module: Callable[[str], ModuleType]) -> None:
    """Before the first of several parts is learnt from, all are run through once: that is no training step."""
    states = []
    for loss in ("{kind: ohem, threshold: 0.7, min_kept: 100}", "{kind: cross_entropy}"):
        learner, step = learner_of(module, "pspnet_tiny", f"loss={loss}")
        step()
        states.append(learner.get_state())
    for key, value in states[1].items():
        np.testing.assert_array_equal(states[0][key], value, err_msg=key)

"""The moving average of the weights: held to its definition, scored, saved and taken up; frozen batch norms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from core.checkpoint import RunDirectory, load_checkpoint
from core.config import load_config
from core.initialize import initial_state
from core.losses import Objective, resolve_terms
from core.moving_average import averaged, decay_at
from tests.backends.conftest import called, settings
from weights_convert import load_weights


def test_the_decay_grows_to_what_is_asked_for() -> None:
    assert [decay_at(0.5, step) for step in (1, 2, 1000)] == [2 / 11, 3 / 12, 0.5]


def learner_of(module: Callable[[str], ModuleType], *overrides: str) -> tuple[Any, Callable[[], None]]:
    config = load_config(overrides=["model.preset=fast_scnn_tiny", *overrides])
    spec = config.spec(5)
    learner = module("learner").Learner(spec, config, "cpu")
    learner.set_state(initial_state(spec.parameters(), 0))
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((2, 3, 64, 64), dtype=np.float32), rng.integers(0, 5, (2, 64, 64))

    def step() -> None:
        learner.backward([images], Objective(resolve_terms(spec, config.loss), [labels], spec.align_corners), 0)
        learner.update(0.1)

    return learner, step


def test_the_average_is_its_definition(module: Callable[[str], ModuleType]) -> None:
    learner, step = learner_of(module, "train.ema=0.3")
    expected = learner.get_state()
    for count in (1, 2, 3):
        step()
        expected = averaged(expected, learner.get_state(), 0.3, count)
    found = learner.average.get_state()
    assert set(found) == set(expected)
    for name, value in expected.items():  # a few roundings of float32
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
    assert any(np.abs(found[name] - value).max() > 1e-3 for name, value in learner.get_state().items())
    images = np.random.default_rng(1).standard_normal((1, 3, 64, 64), dtype=np.float32)
    scored = learner.predictor().logits(images, (64, 64))
    other, _ = learner_of(module)
    other.set_state(found)
    np.testing.assert_allclose(scored, other.predictor().logits(images, (64, 64)), rtol=1e-5, atol=1e-5)


def test_frozen_batch_norms_keep_their_statistics_and_learn(module: Callable[[str], ModuleType]) -> None:
    learner, step = learner_of(module, "train.freeze_bn=true")
    before = learner.get_state()
    step()
    after = learner.get_state()
    for name, value in before.items():
        assert np.array_equal(value, after[name]) == ("running_" in name), name


def test_an_average_goes_on_where_it_was_saved(module: Callable[[str], ModuleType]) -> None:
    (whole, step), (first, half) = (learner_of(module, "train.ema=0.9") for _ in range(2))
    for _ in range(4):
        step()
    half()
    half()
    other, rest = learner_of(module, "train.ema=0.9")
    other.set_state(first.get_state())
    other.set_optimizer_state(first.get_optimizer_state(), 2)
    other.average.set_state(first.average.get_state())
    rest()
    rest()
    for name, value in whole.average.get_state().items():
        assert np.array_equal(other.average.get_state()[name], value), name


def test_a_run_keeps_its_average(backend: str, tmp_path: Path) -> None:
    """In both its files; `--ema` takes it, and without it the weights themselves are taken."""
    directory = RunDirectory(tmp_path / "run")
    called(backend, "train", *settings(train__ema="0.9", train__iterations="2"), "--run", directory.path)
    last = load_checkpoint(directory.last)
    assert set(last.average) == set(last.weights)
    spec = load_config(directory.config).spec(11)
    for file in (directory.last, directory.best):
        plain, average = (load_weights(file, spec, ema=ema).state for ema in (False, True))
        for name, value in last.weights.items():
            np.testing.assert_array_equal(plain[name], value)
            np.testing.assert_array_equal(average[name], last.average[name])

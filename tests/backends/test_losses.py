"""The backend's table of terms. Each term's value and gradient are held to core/losses by rung 3 of the ladder."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from core.config import load_config
from core.initialize import initial_state
from core.losses import Objective, Term, resolve_terms
from core.training import step_seed
from parity_tests.rungs.losses import TERMS


def test_every_kind_of_term_is_there_and_on_the_ladder(module: Callable[[str], ModuleType]) -> None:
    kinds = set(Term.members())
    losses = module("losses")
    assert set(losses.TERMS) | set(losses.MINED) == kinds
    assert {kind for kind, term in Term.members().items() if term.seen == "mined"} == set(losses.MINED)
    assert {term["kind"] for term in TERMS.values()} == kinds


@pytest.mark.parametrize("terms", ["cross_entropy", "focal", "mixed_softmax"])
def test_a_batch_in_parts_is_the_whole_batch(module: Callable[[str], ModuleType], terms: str) -> None:
    """Gradients and values of two parts with unequal shares of labelled pixels.

    Both hold the same pictures, so that batch norm sees the same in each: what differs is what the labels ask for.
    """
    text = f"""
    model: {{preset: fast_scnn_tiny}}
    train: {{precision: float64}}
    loss: {{terms: [{{kind: {terms}}}, {{kind: {terms}, output: auxiliary.0, weight: 0.4, at: logits}}]}}
    """
    config = load_config(text=text)
    spec = config.spec(5).without_dropout()
    rng = np.random.default_rng(0)
    images = np.tile(rng.normal(size=(2, 3, 64, 64)).astype(np.float32), (2, 1, 1, 1))
    labels = rng.integers(0, 5, (4, 64, 64))
    labels[2:, 10:] = 255
    found = []
    for count in (1, 2):
        learner = module("learner").Learner(spec, config, "cpu")
        learner.set_state(initial_state(spec.parameters(), 0))
        objective = Objective(resolve_terms(spec, config.loss), np.split(labels, count), spec.align_corners)
        values = learner.backward(np.split(images, count), objective, step_seed(0, 0))
        found.append((values, module("parity").gradients(learner)))
    (values, gradients), (in_parts, sums) = found
    np.testing.assert_allclose(in_parts, values, rtol=1e-10)
    # Float64 rounding, amplified by the batch norms passed: the limit of the ladder's rung 4.
    largest = max(np.abs(gradient).max() for gradient in gradients.values())
    for name, gradient in gradients.items():
        np.testing.assert_allclose(sums[name], gradient, rtol=0, atol=1e-7 * largest, err_msg=name)

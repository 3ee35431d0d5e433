"""Losses of resized logits, a few rows at a time: the same numbers however the rows are cut, and nothing held whole."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from core.arch.spec import OutputSpec
from core.losses import LossConfig, Objective, resolve_outputs
from core.schema import update
from parity_tests.rungs.losses import CLASSES, problems

MEASURED = [
    (title, problem)
    for title, problem in problems()
    if "one class" not in title and "parts" not in title and "Lovász" not in title
]


def test_blocks_give_the_definition(module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of two rows of 5 classes and 13 columns, the last of one: rung 3's pictures are one block otherwise."""
    monkeypatch.setattr(module("losses.blocks"), "BLOCK_VALUES", 2 * CLASSES * 13)
    for title, problem in MEASURED:
        kinds = problem.request()["kinds"]
        outputs = [OutputSpec(f"output{i}", kind) for i, kind in enumerate(kinds)]
        costs = resolve_outputs(outputs, CLASSES, update(LossConfig(), problem.loss, "problem"))
        objective = Objective(costs, [problem.labels], problem.align_corners)
        value, slopes = problem.expected()
        found, gradients = module("parity").loss([np.ascontiguousarray(array) for array in problem.outputs], objective)
        # Float64 rounding: the limit of rung 3.
        np.testing.assert_allclose(objective.total(found), value, rtol=1e-12, atol=1e-15, err_msg=title)
        for gradient, slope in zip(gradients, slopes):
            np.testing.assert_allclose(
                gradient, slope, rtol=0, atol=1e-12 * max(1.0, np.abs(slope).max()), err_msg=title
            )

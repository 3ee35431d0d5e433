"""Rung 1: the parameters."""

from __future__ import annotations

import math

import numpy as np

from parity_tests.cases import Case, lively_state
from parity_tests.ladder import Arrays, Asked, Outcome, Quantities, Rung
from parity_tests.tolerances import Tolerance


class Parameters(Rung):
    """A network's inventory, and whether weights put in come out again bit for bit."""

    name = "1 parameters"
    question = "Have the networks the same parameters: names, order, shapes, counts?"
    has_reference = True

    def collect(self, backend: Asked, case: Case) -> Quantities:
        backend.request("build", **case.request("float32"))
        backend.request("load", lively_state(case.spec()))
        fields, state = backend.request("state")
        backend.request("free")
        return {
            "names and shapes": {name: np.array(state[name].shape, np.int64) for name in fields["names"]},
            "weights put in and taken out": state,
        }

    def expected(self, case: Case) -> Quantities:
        shapes = {p.name: np.array(p.shape, np.int64) for p in case.spec().parameters()}
        return {"names and shapes": shapes, "weights put in and taken out": lively_state(case.spec())}

    def judge(
        self,
        case: Case,
        first: str,
        second: str,
        quantity: str,
        ours: Arrays,
        theirs: Arrays,
        tolerance: Tolerance,
    ) -> Outcome:
        outcome = super().judge(case, first, second, quantity, ours, theirs, tolerance)
        if quantity != "names and shapes" or not outcome.ok or list(ours) == list(theirs):
            return outcome
        place = next(i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b)
        where = f"order: number {place} is {list(theirs)[place]}, expected {list(ours)[place]}"
        return Outcome(self.name, case.name, first, second, quantity, math.inf, outcome.tolerance, where)

"""Rung 8: training from one seed, in each backend's own loop of loader, network, loss and optimizer."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from core.initialize import initial_state, one_ulp
from parity_tests.cases import CLASSES, Arrays, Case
from parity_tests.ladder import Asked, Ladder, Outcome, Quantities, Rung
from parity_tests.tolerances import LEAST_DIVERGENCE, Tolerance, ladder_tolerance

DOUBLE_STEPS = 20
SINGLE_STEPS = 50
TWINS = 3  # runs that start one ulp off, per framework: when a rounding first tips something over is chance


# Constants that float32 holds exactly. Paddle and MXNet keep an optimizer's constants in float32 (rung 5 and
# docs/framework_differences.md measure that); with 0.9 the runs would differ by 1e-8 from the first iteration on.
# A small rate, because a large one amplifies the last bit of a float64 beyond any bound within 20 iterations.
DOUBLE = {
    "optimizer": {"lr": 2.0**-9, "momentum": 0.875, "weight_decay": 2.0**-11},
    "schedule": {"policy": "constant"},
}
SINGLE = {"optimizer": {"lr": 0.002, "momentum": 0.9, "weight_decay": 5e-4}}


def train(backend: Asked, case: Case, state: Arrays, dtype: str, steps: int) -> np.ndarray:
    """The loss of every iteration and head [steps, heads], from `state` on, without dropout."""
    text = case.config(DOUBLE if dtype == "float64" else SINGLE)
    backend.request("learner", config=text, classes=CLASSES, dtype=dtype)
    backend.request("learner_load", state)
    _, found = backend.request("train", iterations=steps)
    return found["losses"]


def first_state(case: Case) -> Arrays:
    return initial_state(case.spec().parameters(), seed=0)


def divergence(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The relative difference of the losses so far, [steps]: the largest up to each iteration."""
    relative = np.abs(first - second).max(axis=1) / np.abs(first).max(axis=1)
    return np.maximum.accumulate(np.where(np.isfinite(relative), relative, np.inf))


class Training(Rung):
    """Losses of 20 iterations in float64; of 50 in float32, measured with what one ulp does to a single framework."""

    name = "8 training"
    question = "From one seed, do the runs have the same losses?"

    def collect(self, backend: Asked, case: Case) -> Quantities:
        state = first_state(case)
        return {
            "losses, float64": {"losses": train(backend, case, state, "float64", DOUBLE_STEPS)},
            "losses, float32": {"losses": train(backend, case, state, "float32", SINGLE_STEPS)},
        }

    def self_divergence(self, ladder: Ladder, case: Case, name: str) -> np.ndarray:
        """[SINGLE_STEPS]: how far one framework's losses get, at most, from its own with every weight one ulp off."""

        def ask() -> np.ndarray:
            own = ladder.collected(self, name, case)["losses, float32"]["losses"]
            states = [one_ulp(first_state(case), seed=seed) for seed in range(TWINS)]
            runs = [train(ladder.fleet.get(name), case, state, "float32", SINGLE_STEPS) for state in states]
            return np.max([divergence(own, losses) for losses in runs], axis=0)

        kept: np.ndarray = ladder.remember("one ulp", name, case, ask)
        return kept

    def largest_self_divergence(self, ladder: Ladder, case: Case) -> np.ndarray:
        """The largest of all frameworks'."""
        names = ladder.fleet.present()
        with ThreadPoolExecutor(max_workers=len(names)) as pool:
            curves = list(pool.map(lambda name: self.self_divergence(ladder, case, name), names))
        return np.max(curves, axis=0)

    def double_divergence(self, ladder: Ladder, case: Case) -> float:
        """How far the first framework's float64 losses get from its own with every weight one float64 ulp off."""
        name = ladder.fleet.present()[0]

        def ask() -> float:
            own = ladder.collected(self, name, case)["losses, float64"]["losses"]
            state = {key: array.astype(np.float64) for key, array in first_state(case).items()}
            moved = train(ladder.fleet.get(name), case, one_ulp(state, seed=0), "float64", DOUBLE_STEPS)
            return float(divergence(own, moved)[-1])

        kept: float = ladder.remember("one ulp, float64", name, case, ask)
        return kept

    def outcomes(self, ladder: Ladder, case: Case, first: str, second: str) -> list[Outcome]:
        ours, theirs = (ladder.collected(self, name, case) for name in (first, second))
        quantity = "losses, float64"
        exact = ladder_tolerance(self.name, quantity, case.name)
        double = self.judge(case, first, second, quantity, ours[quantity], theirs[quantity], exact)
        if not double.ok:  # a network that amplifies the last bit of a float64 beyond that bound within 20 iterations
            own_double = self.double_divergence(ladder, case)
            limit = ladder_tolerance(self.name, "losses, float32", case.name).limit * own_double
            reason = f"as in float32: times what one ulp does to one framework in float64, {own_double:.1e}"
            wider = Tolerance(max(exact.limit, limit), reason)
            double = self.judge(case, first, second, quantity, ours[quantity], theirs[quantity], wider)
        between = divergence(ours["losses, float32"]["losses"], theirs["losses, float32"]["losses"])
        own = np.maximum(self.largest_self_divergence(ladder, case), LEAST_DIVERGENCE.limit)
        ratio = between / own
        worst = int(ratio.argmax())
        tolerance = ladder_tolerance(self.name, "losses, float32", case.name)
        relative = float(between[-1])
        multiple = float(ratio[worst]) if math.isfinite(ratio[worst]) else math.inf
        where = (
            f"iteration {worst + 1}: {between[worst]:.1e} between the two, {own[worst]:.1e} by one ulp in one; "
            f"{multiple:.1f} times (after the last iteration {relative:.1e})"
        )
        single = Outcome(self.name, case.name, first, second, "losses, float32", multiple, tolerance, where)
        return [double, single]

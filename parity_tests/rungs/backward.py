"""Rung 4: one backward pass in training mode."""

from __future__ import annotations

from parity_tests.cases import CLASSES, Case, label_maps, lively_state, pictures
from parity_tests.ladder import Asked, Quantities, Rung, flat

DTYPES = ("float64", "float32")
STATISTICS = ("running_mean", "running_var")


class Backward(Rung):
    """The gradient of every parameter, and batch norm's running statistics, by the backend's own Learner."""

    name = "4 backward"
    question = "Do the same weights and batch give the same gradients and batch-norm statistics?"
    # Of all gradients' largest: the gradient of a bias in front of a batch norm is rounding, nothing else.
    gradient_floor = 1e-3

    def collect(self, backend: Asked, case: Case) -> Quantities:
        found: Quantities = {}
        state = lively_state(case.spec())
        batch = {"x": pictures(case.batch, case.crop), "labels": label_maps(case.batch, case.crop)}
        for dtype in DTYPES:
            backend.request("learner", config=case.config(), classes=CLASSES, dtype=dtype)
            backend.request("learner_load", state)
            _, passed = backend.request("backward", batch)
            _, after = backend.request("learner_state")
            found[f"losses, {dtype}"] = {"losses of the heads": passed["losses"]}
            # From the loss downwards, so that the first difference is the first in the backward pass.
            gradients = flat(passed, "gradient")
            order = [p.name for p in reversed(case.spec().parameters()) if p.trainable]
            known = [name for name in order if name in gradients]
            rest = [name for name in gradients if name not in order]
            found[f"gradients, {dtype}"] = {name: gradients[name] for name in known + rest}
            statistics = flat(after, "state")
            found[f"statistics, {dtype}"] = {
                p.name: statistics[p.name] for p in case.spec().parameters() if p.name.endswith(STATISTICS)
            }
        return {quantity: arrays for quantity, arrays in found.items() if arrays}

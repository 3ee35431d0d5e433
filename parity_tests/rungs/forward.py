"""Rung 2: the forward pass in inference mode."""

from __future__ import annotations

from parity_tests.cases import Case, lively_state, pictures
from parity_tests.ladder import Arrays, Asked, Quantities, Rung

DTYPES = ("float64", "float32")


class Forward(Rung):
    """All heads' logits, at several input sizes and batch sizes."""

    name = "2 forward"
    question = "Do the same weights and pictures give the same logits?"

    def collect(self, backend: Asked, case: Case) -> Quantities:
        found: Quantities = {}
        state = lively_state(case.spec())
        for dtype in DTYPES:
            backend.request("build", **case.request(dtype))
            backend.request("load", state)
            logits: Arrays = {}
            for batch, height, width in case.sizes:
                _, arrays = backend.request("forward", {"x": pictures(batch, (height, width))}, train=False)
                logits |= {f"{batch}x{height}x{width} {name}": array for name, array in arrays.items()}
            found[f"logits, {dtype}"] = logits
        backend.request("free")
        return found

"""Rung 7: from logits to label maps, the evaluation protocol and the confusion matrix."""

from __future__ import annotations

import math

import numpy as np

from core.metrics import ConfusionMatrix
from parity_tests.cases import CLASSES, Case, label_maps, lively_state, pictures
from parity_tests.ladder import Arrays, Asked, Outcome, Quantities, Rung
from parity_tests.tolerances import NEAR_TIE, Tolerance

TIED = (1, 2, 4)  # the outputs that share the largest logit: the label is the lowest


def _inference_state(case: Case) -> Arrays:
    names = {p.name for p in case.spec().for_inference().parameters()}
    return {name: array for name, array in lively_state(case.spec()).items() if name in names}


def _tied_state(case: Case) -> Arrays | None:
    """Weights with which several outputs are equal everywhere; None where the last layer is none to set so."""
    state = _inference_state(case)
    weight, bias = state.get("head.classifier.weight"), state.get("head.classifier.bias")
    if weight is None or bias is None:
        return None
    bias = np.linspace(-1, 0.5, CLASSES).astype(np.float32)
    bias[list(TIED)] = 1.5
    return {**state, "head.classifier.weight": np.zeros_like(weight), "head.classifier.bias": bias}


class Labels(Rung):
    """Label maps by each backend's Predictor: plain, tied, and with windows, scales and flips; what they score."""

    name = "7 labels"
    question = "Do the same weights give the same label maps and the same scores?"

    def collect(self, backend: Asked, case: Case) -> Quantities:
        height, width = case.crop
        size, odd = (height, width), case.spec().size_at_least(height + 9, width + 30)
        protocol = {"scales": [1.0, 1.5], "flip": True, "window": [height, width], "stride": 0.5}
        fields = {"config": case.config(), "classes": CLASSES}
        x = pictures(2, size)
        _, found = backend.request("predict", {**_inference_state(case), "x": x}, size=size, **fields)
        picture = pictures(1, odd, seed=1)
        _, wide = backend.request("predict", {**_inference_state(case), "x": picture}, size=odd, **fields)
        found |= {"odd labels": wide["labels"], "odd logits": wide["logits"]}
        big = pictures(1, (2 * height, height + width), seed=2)
        whole = (big.shape[2], big.shape[3])
        given = {**_inference_state(case), "x": big}
        _, slid = backend.request("predict", given, size=whole, protocol=protocol, **fields)
        truth = label_maps(2, size)
        confusion = ConfusionMatrix(CLASSES)
        confusion.update(truth, found["labels"])
        quantities: Quantities = {
            "label maps": found,
            "windows, scales, flips": {"protocol": slid["protocol"]},
            "confusion matrix": {"counts": confusion.matrix},
        }
        tied = _tied_state(case)
        if tied is not None:
            _, equal = backend.request("predict", {**tied, "x": x}, size=size, **fields)
            quantities["ties"] = {"labels": equal["labels"]}
        return quantities

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
        if quantity == "label maps":
            return self._judge_labels(case, first, second, ours, theirs, tolerance)
        if quantity == "ties":
            wrong = sum(int((side["labels"] != min(TIED)).sum()) for side in (ours, theirs))
            where = f"{wrong} pixels are not the lowest of the tied classes"
            return Outcome(self.name, case.name, first, second, quantity, math.inf if wrong else 0.0, tolerance, where)
        if quantity == "windows, scales, flips":
            share = float((ours["protocol"] != theirs["protocol"]).mean())
            where = f"{share:.2%} of the pixels differ"
            return Outcome(self.name, case.name, first, second, quantity, share, tolerance, where)
        moved = float(np.abs(ours["counts"] - theirs["counts"]).sum()) / float(ours["counts"].sum())
        where = f"{moved:.2%} of the counts differ"
        return Outcome(self.name, case.name, first, second, quantity, moved, tolerance, where)

    def _judge_labels(
        self, case: Case, first: str, second: str, ours: Arrays, theirs: Arrays, tolerance: Tolerance
    ) -> Outcome:
        """Labels may differ only where the first side's two largest logits are nearly equal."""
        wrong = close = 0
        for kind in ("", "odd "):
            if f"{kind}labels" not in ours:
                continue
            a, b, logits = ours[f"{kind}labels"], theirs[f"{kind}labels"], ours[f"{kind}logits"]
            top = np.partition(logits, -2, axis=1)
            margin = (top[:, -1] - top[:, -2]) / np.abs(logits).max()
            different = a != b
            wrong += int((different & (margin > NEAR_TIE.limit)).sum())
            close += int(different.sum())
        where = f"{close} pixels differ, {wrong} of them without a near tie of the two largest logits"
        relative = math.inf if wrong else close / sum(ours[k].size for k in ours if k.endswith("labels"))
        return Outcome(self.name, case.name, first, second, "label maps", relative, tolerance, where)

"""Rung 3: the losses, value and gradient at the logits, against core/losses.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from core.losses import Loss, LossConfig, cross_entropy, ohem_cross_entropy, total_loss
from core.schema import update
from parity_tests.cases import Case, label_maps
from parity_tests.ladder import Arrays, Asked, Quantities, Rung

CLASSES = 5
WEIGHTS = [0.5, 2.0, 1.0, 0.0, 1.5]


@dataclass(frozen=True)
class Problem:
    """Logits of one or more heads, labels, and the loss to compute of them."""

    outputs: list[np.ndarray]
    labels: np.ndarray
    loss: dict[str, Any] = field(default_factory=dict)
    align_corners: bool = True


def problems() -> Iterator[tuple[str, Problem]]:
    """Everyday cases and the edges: nothing labelled, one class, ties, saturated logits."""
    rng = np.random.default_rng(7)
    heads = [rng.normal(size=(2, CLASSES, *side)) * 3 for side in ((9, 7), (5, 4), (3, 3))]
    labels = label_maps(2, (17, 13), classes=CLASSES)
    nothing = np.full_like(labels, 255)
    # Not resized, and 256 pixels: PyTorch's softmax rounds equal values another way beyond the last multiple of 16.
    tied = np.broadcast_to(rng.normal(size=(2, CLASSES, 1, 1)), (2, CLASSES, 16, 16))
    square = label_maps(2, (16, 16), classes=CLASSES)
    yield "cross-entropy", Problem(heads[:1], labels)
    yield "half-pixel resize", Problem(heads[:1], labels, align_corners=False)
    yield "class weights", Problem(heads[:1], labels, {"class_weights": WEIGHTS})
    yield "mean over all pixels", Problem(heads[:1], labels, {"denominator": "all"})
    yield "auxiliary heads", Problem(heads, labels, {"auxiliary_weight": 0.4})
    yield "OHEM by threshold", Problem(heads[:1], labels, {"kind": "ohem", "threshold": 0.6, "min_kept": 0})
    yield "OHEM by count", Problem(heads[:1], labels, {"kind": "ohem", "threshold": 0.01, "min_kept": 40})
    ohem = {"kind": "ohem", "threshold": 0.6, "min_kept": 20, "class_weights": WEIGHTS, "auxiliary_weight": 0.3}
    yield "OHEM, weights, auxiliary", Problem(heads, labels, ohem)
    yield "OHEM, ties at the limit", Problem([tied], square, {"kind": "ohem", "threshold": 0.0, "min_kept": 3})
    yield "all ignored", Problem(heads, nothing)
    yield "all ignored, OHEM", Problem(heads[:1], nothing, {"kind": "ohem", "class_weights": WEIGHTS})
    yield "one class", Problem(heads[:1], np.full_like(labels, 2))
    yield "a single output", Problem([heads[0][:, :1]], np.where(labels == 255, 255, 0))
    # Paddle cuts log-probabilities off at -64 (docs/framework_differences.md): up to there.
    yield "logits far apart", Problem([heads[0] * 60 / np.ptp(heads[0])], labels)


class Losses(Rung):
    """Each loss as the backend computes it, from float64 logits."""

    name = "3 losses"
    question = "Are the losses, and their gradients at the logits, what their definitions say?"
    per_case = False
    has_reference = True
    gradient_floor = 1e-3  # where there is one output, or nothing is labelled, the gradient is 0 but for rounding

    def collect(self, backend: Asked, case: Case) -> Quantities:
        values: Arrays = {}
        gradients: Arrays = {}
        for title, problem in problems():
            arrays = {f"logits/{i}": logits for i, logits in enumerate(problem.outputs)}
            _, found = backend.request(
                "loss",
                {**arrays, "labels": problem.labels},
                outputs=len(arrays),
                loss=problem.loss,
                align_corners=problem.align_corners,
            )
            values[title] = found["value"]
            gradients |= {f"{title} {i}": found[f"gradient/{i}"] for i in range(len(arrays))}
        return {"values": values, "gradients": gradients}

    def expected(self, case: Case) -> Quantities:
        values: Arrays = {}
        gradients: Arrays = {}
        for title, problem in problems():
            config: LossConfig = update(LossConfig(), problem.loss, "problem")
            plain: Loss = partial(cross_entropy, class_weights=config.class_weights, denominator=config.denominator)
            main = plain
            if config.kind == "ohem":
                main = partial(
                    ohem_cross_entropy,
                    threshold=config.threshold,
                    min_kept=config.min_kept,
                    class_weights=config.class_weights,
                )
            losses = [main, *[plain] * (len(problem.outputs) - 1)]
            weights = [1.0, *[config.auxiliary_weight] * (len(problem.outputs) - 1)]
            value, slopes = total_loss(problem.outputs, problem.labels, losses, weights, problem.align_corners)
            values[title] = np.array([value])
            gradients |= {f"{title} {i}": slope for i, slope in enumerate(slopes)}
        return {"values": values, "gradients": gradients}

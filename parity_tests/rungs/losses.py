"""Rung 3: every term, value and gradient at the logits, against core/losses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.arch.spec import OutputSpec
from core.losses import LossConfig, Objective, resolve_outputs
from core.schema import update
from parity_tests.cases import Case, label_maps
from parity_tests.ladder import Arrays, Asked, Quantities, Rung

CLASSES = 5
WEIGHTS = [0.5, 2.0, 1.0, 0.0, 1.5]

# Every kind of term, with settings that differ from its defaults too.
TERMS: dict[str, dict[str, Any]] = {
    "cross-entropy": {"kind": "cross_entropy"},
    "cross-entropy, weights": {"kind": "cross_entropy", "class_weights": WEIGHTS},
    "cross-entropy, weights over labelled": {
        "kind": "cross_entropy",
        "class_weights": WEIGHTS,
        "denominator": "labelled",
    },
    "label smoothing": {"kind": "cross_entropy", "smoothing": 0.1},
    "label smoothing, weights": {"kind": "cross_entropy", "smoothing": 0.3, "class_weights": WEIGHTS},
    "mixed softmax": {"kind": "mixed_softmax", "weight": 0.4},
    "mixed softmax over the batch": {"kind": "mixed_softmax", "divided_by_batch": True},
    "OHEM by threshold": {"kind": "ohem", "threshold": 0.6, "min_kept": 0},
    "OHEM by count": {"kind": "ohem", "threshold": 0.01, "min_kept": 40, "class_weights": WEIGHTS},
    "OHEM of few": {"kind": "ohem", "min_kept": 100_000},
    "OHEM, PaddleSeg": {"kind": "ohem", "threshold": 0.01, "min_kept": 40, "form": "paddleseg"},
    "OHEM, mmseg": {"kind": "ohem", "threshold": 0.01, "min_kept": 30, "form": "mmseg", "denominator": "all"},
    "OHEM of few, mmseg": {"kind": "ohem", "form": "mmseg", "denominator": "all", "class_weights": WEIGHTS},
    "bootstrapped by threshold": {"kind": "bootstrapped", "threshold": 1.0, "min_kept": 5},
    "bootstrapped by count": {"kind": "bootstrapped", "threshold": 50.0, "min_kept": 40, "class_weights": WEIGHTS},
    "focal": {"kind": "focal"},
    "focal, gamma 0": {"kind": "focal", "gamma": 0.0},
    "focal, gamma 1.5": {"kind": "focal", "gamma": 1.5, "class_weights": WEIGHTS, "denominator": "all"},
    "dice": {"kind": "dice"},
    "dice by class": {"kind": "dice", "power": 1, "average": "classes", "smooth": 0.5},
    "Lovász": {"kind": "lovasz_softmax"},
    "Lovász, all classes, by picture": {"kind": "lovasz_softmax", "classes": "all", "per_picture": True},
    "log-probabilities": {"kind": "nll", "class_weights": WEIGHTS},
    "boundary": {"kind": "boundary"},
    "boundary, balanced": {"kind": "boundary", "radius": 2, "balance": "frequency"},
}
OUTPUT_OF = {"nll": "log_probabilities", "boundary": "boundary"}  # kind of term -> kind of output, if not classes


@dataclass(frozen=True)
class Problem:
    """Outputs of the given kinds, labels, and the loss to compute of them, in one or more parts."""

    outputs: list[np.ndarray]
    labels: np.ndarray
    loss: dict[str, Any] = field(default_factory=dict)
    align_corners: bool = True
    kinds: tuple[str, ...] = ()
    parts: int = 1

    def request(self) -> dict[str, Any]:
        kinds = self.kinds or ("classes",) * len(self.outputs)
        return {"loss": self.loss, "align_corners": self.align_corners, "kinds": kinds, "parts": self.parts}

    def expected(self) -> tuple[float, list[np.ndarray]]:
        """The value, and the gradients at the outputs, by definition."""
        kinds = self.request()["kinds"]
        outputs = [OutputSpec(f"output{i}", kind) for i, kind in enumerate(kinds)]
        costs = resolve_outputs(outputs, CLASSES, update(LossConfig(), self.loss, "problem"))
        objective = Objective(costs, np.split(self.labels, self.parts), self.align_corners)
        split = [np.split(output, self.parts) for output in self.outputs]
        parts = [[pieces[part] for pieces in split] for part in range(self.parts)]
        objective.look(parts)
        found = [objective(own, part) for part, own in enumerate(parts)]
        values = np.sum([values for values, _ in found], axis=0)
        return objective.total(values), [np.concatenate(g) for g in zip(*(gradients for _, gradients in found))]


def one_term(term: dict[str, Any], logits: np.ndarray, labels: np.ndarray, **settings: Any) -> Problem:
    """A network with one output of the kind that the term takes."""
    kind = OUTPUT_OF.get(term["kind"], "classes")
    if kind == "boundary":
        logits = logits[:, :1]
    elif kind == "log_probabilities":
        logits = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return Problem([logits], labels, {"terms": [{"output": "output0"} | term]}, kinds=(kind,), **settings)


def problems() -> Iterator[tuple[str, Problem]]:
    """Everyday cases and the edges: nothing labelled, one class, ties, saturated logits."""
    rng = np.random.default_rng(7)
    heads = [rng.normal(size=(2, CLASSES, *side)) * 3 for side in ((9, 7), (5, 4), (3, 3))]
    labels = label_maps(2, (17, 13), classes=CLASSES)
    nothing = np.full_like(labels, 255)
    # Not resized, and 256 pixels: PyTorch's softmax rounds equal values another way beyond the last multiple of 16.
    tied = np.broadcast_to(rng.normal(size=(2, CLASSES, 1, 1)), (2, CLASSES, 16, 16))
    square = label_maps(2, (16, 16), classes=CLASSES)
    yield "half-pixel resize", Problem(heads[:1], labels, align_corners=False)
    yield "mean over all pixels", Problem(heads[:1], labels, {"denominator": "all"})
    yield "auxiliary heads", Problem(heads, labels, {"auxiliary_weight": [0.4, 0.16]})
    ohem = {"kind": "ohem", "threshold": 0.6, "min_kept": 20, "class_weights": WEIGHTS, "auxiliary_weight": 0.3}
    yield "OHEM, weights, auxiliary", Problem(heads, labels, ohem)
    yield "a single output", Problem([heads[0][:, :1]], np.where(labels == 255, 255, 0))
    # Paddle cuts log-probabilities off at -64 (docs/framework_differences.md): up to there.
    yield "logits far apart", Problem([heads[0] * 60 / np.ptp(heads[0])], labels)
    cascade = [
        {"kind": "cross_entropy", "output": f"output{i}", "weight": weight, "at": "logits"}
        for i, weight in enumerate((1.0, 0.4, 0.16))
    ]
    for corners in (True, False):
        yield f"a cascade, corners {corners}", Problem(heads, labels, {"terms": cascade}, align_corners=corners)
    several = [
        {"kind": "cross_entropy", "output": "output0"},
        {"kind": "dice", "output": "output0", "weight": 0.5},
        {"kind": "ohem", "output": "output1", "weight": 0.4, "threshold": 0.3, "min_kept": 30},
        {"kind": "boundary", "output": "output2", "weight": 2.0, "at": "logits"},
    ]
    edge = [heads[0], heads[1], heads[2][:, :1]]
    yield "several terms", Problem(edge, labels, {"terms": several}, kinds=("classes", "classes", "boundary"))
    for title, term in TERMS.items():
        yield title, one_term(term, heads[0], labels)
        yield f"{title}; in two parts", one_term(term, heads[0], labels, parts=2)
        yield f"{title}; ties", one_term(term, tied, square)
        yield f"{title}; all ignored", one_term(term, heads[0], nothing)
        yield f"{title}; one class", one_term(term, heads[0], np.full_like(labels, 2))


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
            request = {**problem.request(), "classes": CLASSES}
            _, found = backend.request("loss", {**arrays, "labels": problem.labels}, **request)
            values[title] = found["value"]
            gradients |= {f"{title} {i}": found[f"gradient/{i}"] for i in range(len(arrays))}
        return {"values": values, "gradients": gradients}

    def expected(self, case: Case) -> Quantities:
        values: Arrays = {}
        gradients: Arrays = {}
        for title, problem in problems():
            value, slopes = problem.expected()
            values[title] = np.array([value])
            gradients |= {f"{title} {i}": slope for i, slope in enumerate(slopes)}
        return {"values": values, "gradients": gradients}

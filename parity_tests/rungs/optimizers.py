"""Rung 5: the trajectory of given gradients under each optimizer, against core/optim.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.config import load_config
from core.optim import SGD, Adam, AdamW, OptimizerConfig, global_norm_clip
from parity_tests.cases import CLASSES, Case, lively_state
from parity_tests.ladder import Arrays, Asked, Quantities, Rung, flat

STEPS = 6


def _recipes(case: Case) -> dict[str, dict[str, Any]]:
    """Configurations to try: every rule, groups of parameters, a changing learning rate."""
    groups: dict[str, Any] = {"no_decay_on_norm_and_bias": True}
    if any(p.name.startswith("backbone.") for p in case.spec().parameters()):
        groups |= {"head_lr_multiplier": 10.0, "layer_decay": 0.8}
    schedule = {"policy": "poly", "warmup_iterations": 3, "warmup_ratio": 0.1}
    length = {"train": {"iterations": 8}, "schedule": schedule}
    recipes = {
        "SGD": {"optimizer": {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01, **groups}, **length},
        "AdamW": {"optimizer": {"name": "adamw", "lr": 0.01, "weight_decay": 0.3, **groups}, **length},
    }
    if case.name not in ("espnet_tiny", "setr_mla_tiny"):  # between them they have every kind of parameter
        return recipes
    return {
        **recipes,
        "SGD, Nesterov, clipped": {
            "optimizer": {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
            "schedule": schedule,
            "train": {"iterations": 8, "clip_norm": 0.5},
        },
        "SGD without momentum": {"optimizer": {"lr": 0.05, "momentum": 0.0, "weight_decay": 0.0}, **length},
        "SGD, one cycle, groups": {
            "optimizer": {"groups": [{"match": "*.weight", "lr": 0.3}, {"match": "*bias", "lr": 0, "weight_decay": 0}]},
            "schedule": {"policy": "one_cycle"},
            "train": {"iterations": 8},
        },
        "Adam": {"optimizer": {"name": "adam", "lr": 0.01, "betas": [0.8, 0.99], "weight_decay": 0.1}, **length},
    }


def _gradients(case: Case) -> list[Arrays]:
    """STEPS sets of float64 gradients, over six orders of magnitude."""
    rng = np.random.default_rng(5)
    trainable = [p for p in case.spec().parameters() if p.trainable]
    return [
        {p.name: rng.normal(size=p.shape) * 10.0 ** rng.uniform(-5, 1, p.shape) for p in trainable}
        for _ in range(STEPS)
    ]


def _numpy_optimizer(config: OptimizerConfig, case: Case) -> SGD | Adam:
    groups = config.rules(case.spec().parameters())
    if config.name == "sgd":
        return SGD(groups, config.momentum, config.nesterov)
    return (AdamW if config.name == "adamw" else Adam)(groups, config.betas, config.epsilon)


class Optimizers(Rung):
    """Weights and optimizer state after each recipe, in float64."""

    name = "5 optimizers"
    question = "Do the same gradients move the weights along the same path?"
    has_reference = True

    def collect(self, backend: Asked, case: Case) -> Quantities:
        found: Quantities = {}
        sent = {f"{step}/{name}": array for step, given in enumerate(_gradients(case)) for name, array in given.items()}
        state, names = lively_state(case.spec()), [p.name for p in case.spec().parameters() if p.trainable]
        for title, changes in _recipes(case).items():
            text = case.config(changes)
            schedule = load_config(text=text).learning_rate()
            backend.request("learner", config=text, classes=CLASSES, dtype="float64")
            backend.request("learner_load", state)
            backend.request("update", sent, rates=[schedule(step) for step in range(STEPS)])
            _, after = backend.request("learner_state", optimizer=True)
            weights = {name: after[f"state/{name}"] for name in names}
            found[title] = {**weights, **flat(after, "slot")}
            if title == "SGD without momentum":  # what an unused buffer holds is nobody's business
                found[title] = weights
        return found

    def expected(self, case: Case) -> Quantities:
        found: Quantities = {}
        for title, changes in _recipes(case).items():
            config = load_config(text=case.config(changes))
            schedule, optimizer = config.learning_rate(), _numpy_optimizer(config.optimizer, case)
            state = lively_state(case.spec())
            names = [p.name for p in case.spec().parameters() if p.trainable]
            weights = {name: state[name].astype(np.float64) for name in names}
            for step, given in enumerate(_gradients(case)):
                if config.train.clip_norm is not None:
                    given, _ = global_norm_clip(given, config.train.clip_norm)
                optimizer.step(weights, given, schedule(step))
            slots = {
                f"{slot}.{name}": array
                for slot in config.optimizer.slots
                for name, array in getattr(optimizer, slot).items()
            }
            found[title] = {**weights, **(slots if config.optimizer.momentum else {})}
        return found

"""The worker's operations on a backend's own Learner, loader, losses and Predictor: rungs 3 to 9 of the ladder."""

from __future__ import annotations

import functools
import gc
import importlib
import itertools
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from backends.worker.serving import Answer, Arrays, operation
from core.arch import Spec
from core.arch.spec import OutputSpec
from core.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from core.config import Config, load_config
from core.data import Dataset
from core.data.pipeline import TrainingSamples
from core.evaluation.protocol import EvaluationProtocol
from core.evaluation.segmenting import segment
from core.losses import LossConfig, Objective, resolve_outputs, resolve_terms
from core.schema import to_plain, update
from core.training import step_seed


@functools.lru_cache(maxsize=4)
def _open_dataset(data: str, split: str) -> Dataset:
    """The same data set for the same settings under `data` (JSON): drawn scenes stay in memory."""
    return load_config(text=json.dumps({"data": json.loads(data)})).open_dataset(split)


def training_set(config: Config) -> Dataset:
    return _open_dataset(json.dumps(to_plain(config.data)), config.data.train)


def samples(config: Config, start: int) -> TrainingSamples:
    """The samples of the run from iteration `start` on."""
    options = config.train
    return TrainingSamples(
        training_set(config), config.train_transform(), config.seed, options.batch_size, options.iterations, start
    )


class Learning:
    """One Learner at a time. Requests bring a configuration as YAML text, `config`."""

    def __init__(self, backend: str, adapter: ModuleType) -> None:
        self.backend, self.adapter = backend, adapter
        self.config = Config()
        self.spec: Spec | None = None
        self.model: Any = None
        self.iteration = 0

    def _module(self, name: str) -> ModuleType:
        return importlib.import_module(f"backends.{self.backend}.{name}")

    @operation
    def loss(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """The loss at `logits/<i>` of outputs of the given kinds, its terms, and its gradients `gradient/<i>`."""
        config: LossConfig = update(LossConfig(), request["loss"], "request")
        outputs = [OutputSpec(f"output{i}", kind) for i, kind in enumerate(request["kinds"])]
        costs = resolve_outputs(outputs, request["classes"], config)
        pieces = request.get("parts", 1)
        labels = np.split(arrays["labels"], pieces)
        objective = Objective(costs, labels, request["align_corners"])
        split = [np.split(arrays[f"logits/{i}"], pieces) for i in range(len(outputs))]
        logits = [[array[part].copy() for array in split] for part in range(pieces)]
        self.adapter.mine(logits, objective)
        answers = [self.adapter.loss(own, objective, part) for part, own in enumerate(logits)]
        values = np.sum([values for values, _ in answers], axis=0)
        gradients = [np.concatenate(parts) for parts in zip(*(gradients for _, gradients in answers))]
        found = {f"gradient/{i}": gradient for i, gradient in enumerate(gradients)}
        return {}, {"value": np.array([objective.total(values)]), "terms": np.array(values, np.float64), **found}

    @operation
    def learner(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """A Learner of `config` in `dtype` on `classes` classes, without dropout."""
        self.model = None
        gc.collect()
        precision = request.get("dtype", "float32")
        self.config = load_config(None, [f"train.precision={precision}"], text=request["config"], where="request")
        self.spec = self.config.spec(request["classes"]).without_dropout()
        self.model = self._module("learner").Learner(self.spec, self.config, "cpu")
        self.iteration = 0
        return {}, {}

    @operation
    def learner_load(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        self.model.set_state(arrays)
        return {}, {}

    @operation
    def learner_state(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """`state/<name>`, and with `optimizer`, `slot/<slot>.<name>`."""
        found = {f"state/{name}": array for name, array in self.model.get_state().items()}
        if request.get("optimizer"):
            found |= {f"slot/{name}": array for name, array in self.model.get_optimizer_state().items()}
        return {}, found

    def _objective(self, labels: list[np.ndarray]) -> Objective:
        """Of a batch of the learner's network, in parts."""
        assert self.spec is not None
        return Objective(resolve_terms(self.spec, self.config.loss), labels, self.spec.align_corners)

    @operation
    def backward(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """One backward pass over `x`, `labels`, in training mode: the heads' losses and every gradient."""
        losses = self.model.backward([arrays["x"]], self._objective([arrays["labels"]]), seed=0)
        gradients = {f"gradient/{name}": array for name, array in self.adapter.gradients(self.model).items()}
        return {}, {"losses": np.array(losses, np.float64), **gradients}

    @operation
    def update(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """Optimizer steps with given gradients `<step>/<name>`, one for each of `rates`."""
        for step, rate in enumerate(request["rates"]):
            prefix = f"{step}/"
            given = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
            self.adapter.set_gradients(self.model, given)
            self.model.update(rate)
        return {}, {}

    @operation
    def train(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """`iterations` more of the run of `config`, as core.training does them; the heads' losses of each."""
        config, schedule = self.config, self.config.learning_rate()
        parts = config.train.accumulation
        batches = self.model.load_batches(samples(config, self.iteration), config.train.batch_size // parts, 0)
        history = []
        for _ in range(request["iterations"]):
            taken = list(itertools.islice(batches, parts))
            objective = self._objective([labels for _, labels in taken])
            images = [pictures for pictures, _ in taken]
            history.append(self.model.backward(images, objective, step_seed(config.seed, self.iteration)))
            self.model.update(schedule(self.iteration))
            self.iteration += 1
        return {}, {"losses": np.array(history, np.float64)}

    @operation
    def checkpoint_save(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """The learner's checkpoint at `path`."""
        weights, optimizer = self.model.get_state(), self.model.get_optimizer_state()
        save_checkpoint(Path(request["path"]), Checkpoint(weights, optimizer, self.iteration, {}))
        return {}, {}

    @operation
    def checkpoint_load(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """Takes up the checkpoint at `path`, whoever wrote it."""
        checkpoint = load_checkpoint(Path(request["path"]))
        self.model.set_state(checkpoint.weights)
        self.model.set_optimizer_state(checkpoint.optimizer, checkpoint.iteration)
        self.iteration = checkpoint.iteration
        return {"iteration": self.iteration}, {}

    @operation
    def batches(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """`count` batches of the run of `config` from iteration `start` on, by the native loader with `workers`."""
        config = load_config(text=request["config"], where="request")
        load_batches = self._module("data").load_batches
        found: Arrays = {}
        chosen = samples(
            replace(config, train=replace(config.train, iterations=request["start"] + request["count"])),
            request["start"],
        )
        for i, (images, labels) in enumerate(load_batches(chosen, config.train.batch_size, request["workers"])):
            found |= {f"{i}/images": np.array(images), f"{i}/labels": np.array(labels)}
        return {}, found

    @operation
    def predict(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """The classes of `x` at `size` by the Predictor, its logits, and by `protocol` those of `x`'s first picture."""
        config = load_config(text=request["config"], where="request")
        spec = config.spec(request["classes"]).for_inference()
        x = arrays.pop("x")
        predictor = self._module("inference").Predictor(spec, arrays, "cpu")
        size = tuple(request["size"])
        found = {"labels": predictor.labels(x, size), "logits": predictor.logits(x, size)}
        if request.get("protocol"):
            protocol = update(EvaluationProtocol(), request["protocol"], "request")
            found["protocol"] = segment(x[0], protocol, predictor.logits)
        return {}, found

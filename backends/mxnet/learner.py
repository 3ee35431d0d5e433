"""A network that learns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import mxnet as mx
import numpy as np
from mxnet import autograd, nd
from mxnet.gluon import Block
from mxnet.ndarray import NDArray

from backends.mxnet.average import MovingAverage
from backends.mxnet.data import load_batches
from backends.mxnet.device import find_device, find_low_precision
from backends.mxnet.distributed import MXNetProcesses, connect
from backends.mxnet.inference import Predictor
from backends.mxnet.layers import BatchNorm, keep_statistics
from backends.mxnet.losses import segmentation_loss
from backends.mxnet.models import build_model
from backends.mxnet.optim import Optimizer
from backends.mxnet.recomputing import recompute_blocks
from backends.mxnet.state import get_state, set_state
from core.arch import Spec
from core.backend import Batch
from core.config import Config
from core.data.pipeline import TrainingSamples
from core.errors import ConfigError
from core.losses import Objective


class Learner:
    """A network, its loss and its optimizer (core.backend.Learner)."""

    backend: ClassVar = "mxnet"

    def __init__(self, spec: Spec, config: Config, device: str) -> None:
        self.processes = connect()
        self.device = find_device(device)
        find_low_precision(config.train.precision, self.device)
        self.dtype = config.train.dtype
        self.model = build_model(spec)
        self.model.collect_params().reset_ctx(self.device)
        self.model.cast(self.dtype)
        if config.train.freeze_bn:
            keep_statistics(self.model)
        if config.train.channels_last:
            raise ConfigError("train.channels_last: only PyTorch's layers take both layouts; leave it out")
        if config.train.checkpoint_stages:
            recompute_blocks(self.model)
        if isinstance(self.processes, MXNetProcesses) and config.train.sync_batch_norm:
            if config.train.compile:
                raise ConfigError("train.compile: no graph holds batch norm over several processes; leave it out")
            self.model.hybridize(active=False)  # no graph: it would keep to the way in which it was first called
            self.model.whole_batch = False
            self._share_norms(self.model, "", self.processes)
        if config.train.compile:
            self.model.hybridize(static_alloc=True, static_shape=True)
        self.optimizer = Optimizer(self.model, config.optimizer)
        self.clip_norm = config.train.clip_norm
        self.average = None if config.train.ema is None else MovingAverage(self.model, config.train.ema)

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        set_state(self.model, state)
        if self.average is not None:
            self.average.set_state(state)

    def get_state(self) -> dict[str, np.ndarray]:
        return get_state(self.model)

    def set_optimizer_state(self, state: Mapping[str, np.ndarray], steps: int) -> None:
        self.optimizer.set_state(state, steps)

    def get_optimizer_state(self) -> dict[str, np.ndarray]:
        return self.optimizer.get_state()

    def load_batches(self, samples: TrainingSamples, batch_size: int, workers: int) -> Iterator[Batch]:
        return load_batches(samples, batch_size, workers)

    def backward(self, images: Sequence[np.ndarray], objective: Objective, seed: int) -> list[float]:
        mx.random.seed(seed)
        self.optimizer.zero_grad()
        if objective.mined_before():
            # A forward pass of every part before the first is learnt from; without a record no statistics change.
            with autograd.pause(train_mode=True):
                segmentation_loss.mine((self._forward(pictures) for pictures in images), objective)
            mx.random.seed(seed)
        total: list[float] = []
        for part, pictures in enumerate(images):
            with autograd.record(train_mode=True):
                loss, heads = segmentation_loss(self._forward(pictures), objective, part)
            loss.backward()
            values = [float(head.asscalar()) for head in heads]
            total = [a + b for a, b in zip(total, values)] if total else values
        if isinstance(self.processes, MXNetProcesses):
            self.processes.sum_arrays([parameter.grad() for parameter in self.optimizer.parameters.values()])
            if self.model.whole_batch:
                statistics = [p.data() for p in self.model.collect_params(".*running_.*").values()]
                self.processes.sum_arrays(statistics)
                for array in statistics:
                    array /= self.processes.shard.world
        return list(self.processes.sum(np.array(total, np.float64)))

    def _forward(self, pictures: np.ndarray) -> tuple[NDArray, ...]:
        return self.model(nd.array(pictures, ctx=self.device, dtype=self.dtype))

    def _share_norms(self, block: Block, prefix: str, processes: MXNetProcesses) -> None:
        """Normalises over all processes, layer by layer in the network's own order."""
        for name, child in block._children.items():
            if isinstance(child, BatchNorm):
                child.share(processes, prefix + name, self.dtype)
            self._share_norms(child, f"{prefix}{name}.", processes)

    def update(self, lr: float) -> None:
        if self.clip_norm is not None:
            self.optimizer.clip_gradients(self.clip_norm)
        self.optimizer.set_learning_rate(lr)
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.model, self.optimizer.steps)

    def wait(self) -> None:
        nd.waitall()

    def predictor(self) -> Predictor:
        return Predictor.of(self.model if self.average is None else self.average.model)

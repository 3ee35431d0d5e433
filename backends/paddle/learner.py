"""A network that learns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import paddle
from paddle import Tensor, nn

from backends.paddle.average import MovingAverage
from backends.paddle.data import load_batches
from backends.paddle.device import find_device, find_low_precision
from backends.paddle.distributed import PaddleProcesses, connect
from backends.paddle.inference import Predictor
from backends.paddle.layers import BatchNorm, keep_statistics, running_statistics
from backends.paddle.losses import segmentation_loss
from backends.paddle.models import build_model
from backends.paddle.optim import Optimizer
from backends.paddle.recomputing import recompute_blocks
from backends.paddle.state import get_state, set_state
from core.arch import Spec
from core.backend import Batch
from core.config import Config
from core.data.pipeline import TrainingSamples
from core.errors import ConfigError
from core.loss_scale import LossScale
from core.losses import Objective


class Learner:
    """A network, its loss and its optimizer (core.backend.Learner)."""

    backend: ClassVar = "paddle"

    def __init__(self, spec: Spec, config: Config, device: str) -> None:
        self.place = find_device(device)
        self.processes = connect()
        self.dtype = config.train.dtype
        self.model = build_model(spec).to(dtype=self.dtype)
        self.optimizer = Optimizer(self.model, config.optimizer)
        self.clip_norm = config.train.clip_norm
        self.freeze_bn = config.train.freeze_bn
        self.average = None if config.train.ema is None else MovingAverage(self.model, config.train.ema)
        self.low = find_low_precision(config.train.precision, self.place)
        self.loss_scale = LossScale() if self.low == "float16" else None
        if config.train.channels_last:
            raise ConfigError("train.channels_last: only PyTorch's layers take both layouts; leave it out")
        if isinstance(self.processes, PaddleProcesses) and config.train.sync_batch_norm:
            if config.train.compile:
                raise ConfigError("train.compile: no graph holds batch norm over several processes; leave it out")
            self.model.whole_batch = False
            for layer in self.model.sublayers():
                if isinstance(layer, BatchNorm):
                    layer.processes = self.processes
        if config.train.checkpoint_stages:
            recompute_blocks(self.model)
        if config.train.compile:
            paddle.jit.to_static(self.model, full_graph=True)  # in place

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        set_state(self.model, state)
        if self.average is not None:
            self.average.set_state(state)

    def get_state(self) -> dict[str, np.ndarray]:
        return get_state(self.model)

    def set_optimizer_state(self, state: Mapping[str, np.ndarray], steps: int) -> None:
        if self.loss_scale is not None:
            self.loss_scale.set_state(state)
            steps -= self.loss_scale.skipped
        self.optimizer.set_state(state, steps)

    def get_optimizer_state(self) -> dict[str, np.ndarray]:
        return self.optimizer.get_state() | ({} if self.loss_scale is None else self.loss_scale.get_state())

    def load_batches(self, samples: TrainingSamples, batch_size: int, workers: int) -> Iterator[Batch]:
        return load_batches(samples, batch_size, workers)

    def backward(self, images: Sequence[np.ndarray], objective: Objective, seed: int) -> list[float]:
        paddle.seed(seed)
        self.model.train()
        if self.freeze_bn:
            keep_statistics(self.model)
        self.optimizer.zero_grad()
        if objective.mined_before():
            self._find_hard_pixels(images, objective)
            paddle.seed(seed)
        total: list[float] = []
        for part, pictures in enumerate(images):
            loss, heads = segmentation_loss(self._forward(pictures), objective, part)
            (loss if self.loss_scale is None else loss * self.loss_scale.value).backward()
            values = [float(head) for head in heads]
            total = [a + b for a, b in zip(total, values)] if total else values
        if isinstance(self.processes, PaddleProcesses):
            self.processes.sum_gradients(list(self.optimizer.parameters.values()))
            if self.model.whole_batch:
                self.processes.average(self._statistics())
        return list(self.processes.sum(np.array(total, np.float64)))

    def _forward(self, pictures: np.ndarray) -> tuple[Tensor, ...]:
        x = paddle.to_tensor(pictures, dtype=self.dtype)
        with paddle.amp.auto_cast(enable=self.low is not None, dtype=self.low or "bfloat16"):
            return self.model(x)

    def _statistics(self) -> list[Tensor]:
        return running_statistics(self.model)

    @paddle.no_grad()
    def _find_hard_pixels(self, images: Sequence[np.ndarray], objective: Objective) -> None:
        """A forward pass of every part before the first is learnt from; the statistics stay as they were."""
        before = [buffer.clone() for buffer in self._statistics()]
        segmentation_loss.mine((self._forward(pictures) for pictures in images), objective)
        for buffer, kept in zip(self._statistics(), before):
            buffer.set_value(kept)

    def update(self, lr: float) -> None:
        if self.loss_scale is not None and not self._unscale(self.loss_scale):
            return
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimizer.set_learning_rate(lr)
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.model, self.optimizer.steps)

    @paddle.no_grad()
    def _unscale(self, scale: LossScale) -> bool:
        """Divides the gradients by the scale; whether all of them are finite."""
        largest = []
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                parameter.grad.scale_(1 / scale.value)
                largest.append(parameter.grad.abs().max())
        return scale.update(float(paddle.stack(largest).max()))

    def wait(self) -> None:
        if self.place.startswith("gpu"):
            paddle.device.synchronize()

    def predictor(self) -> Predictor:
        return Predictor.of(self.model if self.average is None else self.average.model)

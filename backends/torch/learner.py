"""A network that learns."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from backends.torch.average import MovingAverage
from backends.torch.data import load_batches
from backends.torch.device import find_device, find_low_precision
from backends.torch.distributed import TorchProcesses, connect
from backends.torch.inference import Predictor
from backends.torch.layers import BatchNorm, keep_statistics
from backends.torch.losses import segmentation_loss
from backends.torch.models import build_model
from backends.torch.optim import Optimizer
from backends.torch.recomputing import recompute_blocks
from backends.torch.state import get_state, set_state
from core.arch import Spec
from core.backend import Batch
from core.config import Config
from core.data.pipeline import TrainingSamples
from core.errors import ConfigError
from core.loss_scale import LossScale
from core.losses import Objective


class Learner:
    """A network, its loss and its optimizer (core.backend.Learner)."""

    backend: ClassVar = "torch"

    def __init__(self, spec: Spec, config: Config, device: str) -> None:
        self.processes = connect()
        self.device = find_device(device)
        self.dtype = getattr(torch, config.train.dtype)
        self.model = build_model(spec).to(self.device, self.dtype)
        self.optimizer = Optimizer(self.model, config.optimizer)
        self.clip_norm = config.train.clip_norm
        self.freeze_bn = config.train.freeze_bn
        self.average = None if config.train.ema is None else MovingAverage(self.model, config.train.ema)
        self.low = find_low_precision(config.train.precision, self.device)
        self.loss_scale = LossScale() if self.low is torch.float16 else None
        self.layout = torch.channels_last if config.train.channels_last else torch.contiguous_format
        if isinstance(self.processes, TorchProcesses) and config.train.sync_batch_norm:
            if config.train.compile:
                raise ConfigError("train.compile: no graph holds batch norm over several processes; leave it out")
            self.model.whole_batch = False
            for module in self.model.modules():
                if isinstance(module, BatchNorm):
                    module.processes = self.processes
        if config.train.checkpoint_stages:
            recompute_blocks(self.model)
        if config.train.compile:
            _require_compiler(self.device)
            self.model.compile()

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
        torch.manual_seed(seed)
        self.model.train()
        if self.freeze_bn:
            keep_statistics(self.model)
        self.optimizer.zero_grad()
        if objective.mined_before():
            self._find_hard_pixels(images, objective)
            torch.manual_seed(seed)
        total: list[float] = []
        for part, pictures in enumerate(images):
            loss, heads = segmentation_loss(self._forward(pictures), objective, part)
            (loss if self.loss_scale is None else loss * self.loss_scale.value).backward()
            values = [float(head.detach()) for head in heads]
            total = [a + b for a, b in zip(total, values)] if total else values
        if isinstance(self.processes, TorchProcesses):
            self.processes.sum_gradients(list(self.optimizer.parameters.values()))
            if self.model.whole_batch:
                self.processes.average(self._statistics())
        return list(self.processes.sum(np.array(total, np.float64)))

    def _forward(self, pictures: np.ndarray) -> tuple[Tensor, ...]:
        x = torch.from_numpy(pictures).to(self.device, self.dtype, memory_format=self.layout)
        with torch.autocast(self.device.type, self.low, enabled=self.low is not None):
            return self.model(x)

    def _statistics(self) -> list[Tensor]:
        return [buffer for buffer in self.model.buffers() if buffer.is_floating_point()]

    @torch.no_grad()
    def _find_hard_pixels(self, images: Sequence[np.ndarray], objective: Objective) -> None:
        """A forward pass of every part before the first is learnt from; the statistics stay as they were."""
        before = [buffer.clone() for buffer in self._statistics()]
        segmentation_loss.mine((self._forward(pictures) for pictures in images), objective)
        for buffer, kept in zip(self._statistics(), before):
            buffer.copy_(kept)

    def update(self, lr: float) -> None:
        if self.loss_scale is not None and not self._unscale(self.loss_scale):
            return
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimizer.set_learning_rate(lr)
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.model, self.optimizer.steps)

    @torch.no_grad()
    def _unscale(self, scale: LossScale) -> bool:
        """Divides the gradients by the scale; whether all of them are finite."""
        gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
        torch._foreach_mul_(gradients, 1 / scale.value)
        return scale.update(float(torch.stack([gradient.abs().max() for gradient in gradients]).max()))

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def predictor(self) -> Predictor:
        return Predictor.of(self.model if self.average is None else self.average.model)


def _require_compiler(device: torch.device) -> None:
    """Raises ConfigError where torch.compile would look for a C++ compiler in vain."""
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    if device.type == "cpu" and not any(shutil.which(name) for name in wanted):
        raise ConfigError(f"train.compile: torch.compile needs a C++ compiler, {' or '.join(wanted)} is not there")

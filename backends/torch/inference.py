"""A network in inference mode."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from backends.torch.device import find_device
from backends.torch.graphs import compile_fused, compile_network
from backends.torch.layers import resize
from backends.torch.models import build_model
from backends.torch.state import set_state
from core.arch import Spec
from core.evaluation.graphs import GraphForward
from core.evaluation.segmenting import resized_argmax
from core.fold import fold


class Predictor:
    """Numpy in, numpy out: the main head's logits, or the classes, at any size.

    Made from a state, the network has its batch norms folded (core.fold) and channels last, and on a processor it runs
    as a graph where sizes repeat (core.evaluation.graphs); `of` takes one as it is. Classes are told from the head's
    own logits, a few rows at a time (core.evaluation.segmenting.resized_argmax).
    """

    graphs: GraphForward | None

    def __init__(self, spec: Spec, state: Mapping[str, np.ndarray], device: str) -> None:
        spec, state = fold(spec, state)
        model = build_model(spec)
        set_state(model, state)
        self._use(model.to(find_device(device), memory_format=torch.channels_last).eval())
        if self.parameter.device.type == "cpu":
            ways = [partial(way, model) for way in (compile_fused, compile_network)]
            self.graphs = GraphForward(self._plain, *ways)

    @classmethod
    def of(cls, model: nn.Module) -> Predictor:
        """Predicts with `model` as it is, without a copy."""
        predictor = cls.__new__(cls)
        predictor._use(model)
        return predictor

    def _use(self, model: nn.Module) -> None:
        self.model, self.parameter = model, next(model.parameters())
        self.graphs = None

    def _plain(self, images: np.ndarray) -> np.ndarray:
        return self.model(torch.from_numpy(images).to(self.parameter))[0].contiguous().numpy()

    def _forward(self, images: np.ndarray) -> Tensor:
        """The main head's logits at its own resolution."""
        if self.graphs is not None:
            return torch.from_numpy(self.graphs(images))
        training = self.model.training
        self.model.eval()
        logits = self.model(torch.from_numpy(images).to(self.parameter))[0]
        self.model.train(training)
        return logits

    @torch.inference_mode()
    def logits(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> float32 [N, C, *size]."""
        logits = self._forward(images)
        if logits.shape[2:] != tuple(size):
            logits = resize(logits, size, self.model.spec.align_corners)
        return logits.float().contiguous().cpu().numpy()

    @torch.inference_mode()
    def labels(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> uint8 [N, *size]; of equal logits the lowest class."""
        logits = self._forward(images).float()
        if logits.is_cuda:  # memory and threads enough to do it at once
            return resize(logits, size, self.model.spec.align_corners).argmax(dim=1).to(torch.uint8).cpu().numpy()
        corners = self.model.spec.align_corners
        return np.stack([resized_argmax(one, size, corners) for one in logits.contiguous().numpy()])

"""A network in inference mode."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import paddle
from paddle import Tensor

from backends.paddle.device import find_device
from backends.paddle.graphs import compile_network
from backends.paddle.layers import Network, resize
from backends.paddle.models import build_model
from backends.paddle.state import set_state
from core.arch import Spec
from core.evaluation.graphs import GraphForward
from core.evaluation.segmenting import resized_argmax
from core.fold import fold


class Predictor:
    """Numpy in, numpy out: the main head's logits, or the classes, at any size.

    Made from a state, the network has its batch norms folded (core.fold), and on a processor it runs as a graph where
    sizes repeat (core.evaluation.graphs); `of` takes one as it is. Classes are told from the head's own logits, a few
    rows at a time (core.evaluation.segmenting.resized_argmax).
    """

    def __init__(self, spec: Spec, state: Mapping[str, np.ndarray], device: str) -> None:
        place = find_device(device)
        spec, state = fold(spec, state)
        self.model = build_model(spec)
        set_state(self.model, state)
        self.model.eval()
        self.graphs: GraphForward | None = None
        if place == "cpu":
            self.graphs = GraphForward(self._plain, partial(compile_network, self.model))

    @classmethod
    def of(cls, model: Network) -> Predictor:
        """Predicts with `model` as it is, without a copy."""
        predictor = cls.__new__(cls)
        predictor.model, predictor.graphs = model, None
        return predictor

    def _plain(self, images: np.ndarray) -> np.ndarray:
        return self.model(paddle.to_tensor(images))[0].numpy()

    def _forward(self, images: np.ndarray) -> Tensor:
        """The main head's logits at its own resolution."""
        if self.graphs is not None:
            return paddle.to_tensor(self.graphs(images))
        training = self.model.training
        self.model.eval()
        logits = self.model(paddle.to_tensor(images, dtype=self.model.parameters()[0].dtype))[0]
        if training:
            self.model.train()
        return logits

    @paddle.no_grad()
    def logits(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> float32 [N, C, *size]."""
        logits = self._forward(images)
        if logits.shape[2:] != list(size):
            logits = resize(logits, size, self.model.spec.align_corners)
        return logits.astype("float32").numpy()

    @paddle.no_grad()
    def labels(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> uint8 [N, *size]; of equal logits the lowest class."""
        logits = self._forward(images).astype("float32").numpy()
        return np.stack([resized_argmax(one, size, self.model.spec.align_corners) for one in logits])

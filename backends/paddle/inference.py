"""A network in inference mode."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import paddle
from paddle import Tensor, nn

from backends.paddle.device import find_device
from backends.paddle.layers import resize
from backends.paddle.models import build_model
from backends.paddle.state import set_state
from core.arch import Spec


class Predictor:
    """Numpy in, numpy out: the main head's logits, or the classes, at any size."""

    def __init__(self, spec: Spec, state: Mapping[str, np.ndarray], device: str) -> None:
        find_device(device)
        self.model = build_model(spec)
        set_state(self.model, state)

    @classmethod
    def of(cls, model: nn.Layer) -> Predictor:
        """Predicts with `model` as it is, without a copy."""
        predictor = cls.__new__(cls)
        predictor.model = model
        return predictor

    @paddle.no_grad()
    def _forward(self, images: np.ndarray, size: tuple[int, int]) -> Tensor:
        training = self.model.training
        self.model.eval()
        logits = self.model(paddle.to_tensor(images, dtype=self.model.parameters()[0].dtype))[0]
        if training:
            self.model.train()
        if logits.shape[2:] == list(size):
            return logits
        return resize(logits, size, self.model.spec.align_corners)

    def logits(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> float32 [N, C, *size]."""
        return self._forward(images, size).astype("float32").numpy()

    def labels(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> uint8 [N, *size]; of equal logits the lowest class."""
        return self._forward(images, size).argmax(axis=1).numpy().astype(np.uint8)

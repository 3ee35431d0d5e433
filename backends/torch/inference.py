"""A network in inference mode."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from backends.torch.device import find_device
from backends.torch.layers import resize
from backends.torch.models import build_model
from backends.torch.state import set_state
from core.arch import Spec


class Predictor:
    """Numpy in, numpy out: the main head's logits, or the classes, at any size."""

    def __init__(self, spec: Spec, state: Mapping[str, np.ndarray], device: str) -> None:
        model = build_model(spec)
        set_state(model, state)
        self._use(model.to(find_device(device)))

    @classmethod
    def of(cls, model: nn.Module) -> Predictor:
        """Predicts with `model` as it is, without a copy."""
        predictor = cls.__new__(cls)
        predictor._use(model)
        return predictor

    def _use(self, model: nn.Module) -> None:
        self.model, self.parameter = model, next(model.parameters())

    @torch.inference_mode()
    def _forward(self, images: np.ndarray, size: tuple[int, int]) -> Tensor:
        training = self.model.training
        self.model.eval()
        logits = self.model(torch.from_numpy(images).to(self.parameter))[0]
        self.model.train(training)
        if logits.shape[2:] == tuple(size):
            return logits
        return resize(logits, size, self.model.spec.align_corners)

    def logits(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> float32 [N, C, *size]."""
        return self._forward(images, size).float().cpu().numpy()

    def labels(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> uint8 [N, *size]; of equal logits the lowest class."""
        return self._forward(images, size).argmax(dim=1).to(torch.uint8).cpu().numpy()

"""A network in inference mode."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from mxnet import autograd, nd
from mxnet.ndarray import NDArray

from backends.mxnet.device import find_device
from backends.mxnet.layers import Network, resize
from backends.mxnet.models import build_model
from backends.mxnet.state import set_state
from core.arch import Spec


class Predictor:
    """Numpy in, numpy out: the main head's logits, or the classes, at any size."""

    def __init__(self, spec: Spec, state: Mapping[str, np.ndarray], device: str) -> None:
        self.device = find_device(device)
        self.model = build_model(spec)
        self.model.collect_params().reset_ctx(self.device)
        set_state(self.model, state)

    @classmethod
    def of(cls, model: Network) -> Predictor:
        """Predicts with `model` as it is, without a copy."""
        predictor = cls.__new__(cls)
        predictor.model, predictor.device = model, next(iter(model.collect_params().values())).list_ctx()[0]
        return predictor

    def _forward(self, images: np.ndarray, size: tuple[int, int]) -> NDArray:
        dtype = next(iter(self.model.collect_params().values())).dtype
        with autograd.pause(train_mode=False):
            logits = self.model(nd.array(images, ctx=self.device, dtype=dtype))[0]
            if logits.shape[2:] == tuple(size):
                return logits
            like = nd.zeros((1, 1, *size), ctx=self.device, dtype=dtype)
            return resize(nd, logits, like, self.model.spec.align_corners)

    def logits(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> float32 [N, C, *size]."""
        return self._forward(images, size).asnumpy().astype(np.float32, copy=False)

    def labels(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> uint8 [N, *size]; of equal logits the lowest class."""
        return self._forward(images, size).argmax(axis=1).asnumpy().astype(np.uint8)

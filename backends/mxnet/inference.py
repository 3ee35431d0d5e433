"""A network in inference mode."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from mxnet import autograd, nd
from mxnet.ndarray import NDArray

from backends.mxnet.device import find_device
from backends.mxnet.graphs import compile_fused, compile_network
from backends.mxnet.layers import Network, resize
from backends.mxnet.models import build_model
from backends.mxnet.state import set_state
from core.arch import Spec
from core.evaluation.graphs import GraphForward
from core.evaluation.segmenting import resized_argmax
from core.fold import fold


class Predictor:
    """Numpy in, numpy out: the main head's logits, or the classes, at any size.

    Made from a state, the network has its batch norms folded (core.fold), and on a processor it runs as a fused graph
    where sizes repeat (core.evaluation.graphs), unless it runs by parts; `of` takes one as it is. Classes are told from
    the head's own logits, a few rows at a time (core.evaluation.segmenting.resized_argmax).
    """

    def __init__(self, spec: Spec, state: Mapping[str, np.ndarray], device: str) -> None:
        self.device = find_device(device)
        spec, state = fold(spec, state)
        self.model = build_model(spec)
        self.model.collect_params().reset_ctx(self.device)
        set_state(self.model, state)
        self.graphs: GraphForward | None = None
        if self.device.device_type == "cpu" and not self.model.by_parts:
            ways = [partial(way, self.model) for way in (compile_fused, compile_network)]
            self.graphs = GraphForward(self._plain, *ways)

    @classmethod
    def of(cls, model: Network) -> Predictor:
        """Predicts with `model` as it is, without a copy."""
        predictor = cls.__new__(cls)
        predictor.model, predictor.device = model, next(iter(model.collect_params().values())).list_ctx()[0]
        predictor.graphs = None
        return predictor

    def _plain(self, images: np.ndarray) -> np.ndarray:
        with autograd.pause(train_mode=False):
            return self.model(nd.array(images, ctx=self.device))[0].asnumpy()

    def _forward(self, images: np.ndarray) -> NDArray:
        """The main head's logits at its own resolution."""
        if self.graphs is not None:
            return nd.array(self.graphs(images), ctx=self.device)
        dtype = next(iter(self.model.collect_params().values())).dtype
        with autograd.pause(train_mode=False):
            return self.model(nd.array(images, ctx=self.device, dtype=dtype))[0]

    def logits(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> float32 [N, C, *size]."""
        logits = self._forward(images)
        if logits.shape[2:] != tuple(size):
            like = nd.zeros((1, 1, *size), ctx=self.device, dtype=logits.dtype)
            logits = resize(nd, logits, like, self.model.spec.align_corners)
        return logits.asnumpy().astype(np.float32, copy=False)

    def labels(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> uint8 [N, *size]; of equal logits the lowest class."""
        logits = self._forward(images).asnumpy().astype(np.float32, copy=False)
        return np.stack([resized_argmax(one, size, self.model.spec.align_corners) for one in logits])

"""A network in inference mode."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime

from backends.onnxruntime.device import find_device
from core.arch import Spec
from core.errors import ConfigError
from core.evaluation.segmenting import argmax, resized_argmax
from core.fold import fold
from core.resize import resize_bilinear

KEPT = 8  # sizes whose sessions are kept


def open_session(model: Path | bytes, device: str) -> onnxruntime.InferenceSession:
    """Raises ConfigError for a file that ONNX Runtime does not read. OMP_NUM_THREADS says how many threads it takes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit():
        options.intra_op_num_threads = int(threads)
    try:
        return onnxruntime.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=find_device(device)
        )
    except Exception as error:  # its exceptions have no common class of their own
        where = "the exported network" if isinstance(model, bytes) else str(model)
        raise ConfigError(f"{where}: ONNX Runtime does not read it: {str(error).splitlines()[0]}") from error


class Predictor:
    """Numpy in, numpy out: the main head's logits, or the classes, at any size.

    The network is PyTorch's, exported without its resize once for each size of input, so that nothing in it depends on
    sizes known at run time only.
    """

    def __init__(self, spec: Spec, state: Mapping[str, np.ndarray], device: str) -> None:
        try:
            graphs = importlib.import_module("backends.torch.graphs")
        except ModuleNotFoundError as error:
            raise ConfigError(
                "ONNX Runtime runs what PyTorch exports, and PyTorch is not installed: run "
                "`make setup BACKENDS=torch`, or give a file made by `python -m backends.torch.export --to onnx`"
            ) from error
        self.spec, self.device = spec, device
        self.source = graphs.HeadOnly(*fold(spec, state))
        self.sessions: dict[tuple[int, ...], onnxruntime.InferenceSession] = {}
        find_device(device)

    @classmethod
    def stored(cls, path: Path, device: str) -> StoredPredictor:
        return StoredPredictor(path, device)

    def _forward(self, images: np.ndarray) -> np.ndarray:
        """The main head's logits at its own resolution."""
        shape = images.shape
        if shape not in self.sessions:
            self.spec.check_input(*shape[2:])
            if len(self.sessions) == KEPT:
                del self.sessions[next(iter(self.sessions))]
            self.sessions[shape] = open_session(self.source.to_onnx(shape), self.device)
        return self.sessions[shape].run(None, {"picture": images.astype(np.float32, copy=False)})[0]

    def logits(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> float32 [N, C, *size]."""
        return resize_bilinear(self._forward(images), size, self.spec.align_corners)

    def labels(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> uint8 [N, *size]; of equal logits the lowest class."""
        return np.stack([resized_argmax(one, size, self.spec.align_corners) for one in self._forward(images)])


class StoredPredictor:
    """A file of `python -m backends.torch.export --to onnx`, as it would be deployed."""

    def __init__(self, path: Path, device: str) -> None:
        self.path, self.session = path, open_session(path, device)
        self.metadata: dict[str, str] = self.session.get_modelmeta().custom_metadata_map
        taken, given = self.session.get_inputs()[0], self.session.get_outputs()[0]
        if taken.type != "tensor(float)":
            raise ConfigError(f"{path}: takes uint8 pictures; to score it, export it without --normalize")
        self.name, self.gives_classes = taken.name, given.name == "classes"

    def _run(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        if images.shape[2:] != tuple(size):
            raise ConfigError(f"{self.path}: answers at its input's size, {images.shape[2:]}, not at {size}")
        try:
            return self.session.run(None, {self.name: images})[0]
        except Exception as error:
            wanted = self.session.get_inputs()[0].shape
            raise ConfigError(
                f"{self.path}: takes {wanted}, got {list(images.shape)}; export it for that size"
            ) from error

    def logits(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        if self.gives_classes:
            raise ConfigError(f"{self.path}: gives classes, and this protocol averages logits; export without --argmax")
        return self._run(images, size)

    def labels(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        found = self._run(images, size)
        return found if self.gives_classes else np.stack([argmax(one) for one in found])

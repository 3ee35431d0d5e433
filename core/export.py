"""Networks as files for other runtimes: in what form, and how a file is proven right before it is handed out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from core.data.normalization import Normalize

Target = Literal["onnx", "torchscript", "torch-export", "paddle-inference", "mxnet-symbol", "tensorrt", "openvino"]
TARGETS: tuple[Target, ...] = (
    "onnx",
    "torchscript",
    "torch-export",
    "paddle-inference",
    "mxnet-symbol",
    "tensorrt",
    "openvino",
)
LARGEST_ERROR = 1e-3  # of the largest logit: two runtimes round differently, and deep networks amplify it
LEAST_AGREEMENT = 0.9999  # of the pixels, where the two largest logits are farther apart than that error


@dataclass(frozen=True)
class ExportForm:
    """What an exported network takes and gives.

    size: (height, width) of the pictures; None for any that the network takes.
    normalize: None: float32 [N, 3, H, W], normalised. Otherwise uint8 [N, H, W, 3] in RGB, normalised inside.
    argmax: uint8 classes [N, H, W] instead of float32 logits [N, C, H, W]; both at the picture's size.
    metadata: goes into the file.
    """

    size: tuple[int, int] | None
    normalize: Normalize | None = None
    argmax: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)

    def constants(self) -> tuple[np.ndarray, np.ndarray, bool]:
        """(factor [3], offset [3], whether channels are reversed): normalised = x * factor + offset. float32."""
        assert self.normalize is not None
        rule = self.normalize
        mean, std = np.asarray(rule.mean, np.float64), np.asarray(rule.std, np.float64)
        factor, offset = rule.scale / std * rule.scale_after, -mean / std * rule.scale_after
        return factor.astype(np.float32), offset.astype(np.float32), rule.channel_order == "bgr"

    def inputs(self, pictures: np.ndarray, normalize: Normalize) -> np.ndarray:
        """What the network takes of pictures uint8 [N, H, W, 3]; `normalize` is done here if not inside."""
        return pictures if self.normalize is not None else np.stack([normalize(picture) for picture in pictures])


@dataclass(frozen=True)
class Comparison:
    """An exported network beside the one it was made of, on some pictures.

    error: largest difference of logits over the largest logit; None where the file gives classes.
    agreement: share of pixels of the same class; `decided`: of those whose two largest logits are no tie.
    """

    error: float | None
    agreement: float
    decided: float

    @property
    def passes(self) -> bool:
        right = self.error is None or self.error <= LARGEST_ERROR
        return right and self.decided >= LEAST_AGREEMENT

    def __str__(self) -> str:
        error = "" if self.error is None else f"largest error {self.error:.1e} of the largest logit, "
        return f"{error}argmax agreement {100 * self.agreement:.4f} % ({100 * self.decided:.4f} % without ties)"


def compare(reference: np.ndarray, found: np.ndarray) -> Comparison:
    """reference: logits float32 [N, C, H, W]; found: the same of the exported network, or classes [N, H, W]."""
    scale = float(np.abs(reference).max()) or 1.0
    labels, error = found, None
    if found.ndim == 4:
        labels = found.argmax(axis=1)
        error = float(np.abs(found - reference).max() / scale) if np.isfinite(found).all() else float("inf")
    expected = reference.argmax(axis=1)
    same = labels == expected
    ordered = np.sort(reference, axis=1)
    clear = (
        ordered[:, -1] - ordered[:, -2] > 2 * LARGEST_ERROR * scale if reference.shape[1] > 1 else np.ones_like(same)
    )
    decided = float(same[clear].mean()) if clear.any() else 1.0
    return Comparison(error, float(same.mean()), decided)

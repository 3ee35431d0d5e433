"""What the parity tests need of this backend: numpy in, numpy out."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from backends.torch import layers
from backends.torch.models import build_model
from core.arch import Spec


def version() -> str:
    return f"torch {torch.__version__}"


def build(spec: Spec, dtype: str) -> nn.Module:
    return build_model(spec).to(getattr(torch, dtype))


def _input(model: nn.Module, x: np.ndarray) -> Tensor:
    return torch.from_numpy(x).to(next(model.parameters()).dtype)


@torch.no_grad()
def forward(model: nn.Module, x: np.ndarray, train: bool) -> list[np.ndarray]:
    """The logits of `x` [N, 3, H, W] at the heads' own resolution; `train` normalises by the batch."""
    model.train(train)
    return [logits.numpy() for logits in model(_input(model, x))]


def resize(logits: np.ndarray, size: tuple[int, int], align_corners: bool) -> np.ndarray:
    return layers.resize(torch.from_numpy(logits), size, align_corners).numpy()


@torch.no_grad()
def trace(model: nn.Module, x: np.ndarray, train: bool, depth: int) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """What each submodule down to `depth` names gives (where that is one tensor), in order of computation; the logits."""
    found: dict[str, np.ndarray] = {}
    handles = [
        module.register_forward_hook(
            lambda _, __, output, name=name: (
                found.update({name: output.numpy().copy()}) if isinstance(output, Tensor) else None
            )
        )
        for name, module in model.named_modules()
        if name and name.count(".") < depth
    ]
    try:
        logits = forward(model, x, train)
    finally:
        for handle in handles:
            handle.remove()
    return found, logits

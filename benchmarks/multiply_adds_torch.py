"""Multiply-adds counted from PyTorch's graph: on the `meta` device, where shapes are computed and nothing else is.

Convolutions, transposed ones too, and matrix products, be they written as linear layers, einsum or attention. A
multiply-add counts once. Left out are what costs little beside them (norms, activations, pooling, resizing, biases).
"""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from backends.torch.models import build_model
from core.arch import Spec


def multiply_adds(spec: Spec, size: tuple[int, int], batch: int = 1) -> int:
    """Of the network as `spec` has it, auxiliary heads included. Raises SpecError for a size that it does not take."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        build_model(spec).eval()(torch.empty(batch, 3, *size))
    operations: int = counter.get_total_flops()
    return operations // 2  # it counts a multiplication and an addition

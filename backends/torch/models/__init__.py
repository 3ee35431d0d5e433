"""Models, one file per architecture; `build_model` makes the one a spec asks for."""

from __future__ import annotations

from torch import nn

from backends.torch.models.dgcnet import DGCNet
from backends.torch.models.espnet import ESPNet
from backends.torch.models.fast_scnn import FastSCNN
from backends.torch.models.pspnet import PSPNet
from backends.torch.models.setr import SETR
from core.arch import Spec

MODELS: dict[str, type[nn.Module]] = {
    "dgcnet": DGCNet,
    "espnet": ESPNet,
    "fast_scnn": FastSCNN,
    "pspnet": PSPNet,
    "setr": SETR,
}


def build_model(spec: Spec) -> nn.Module:
    """The network of `spec`, with PyTorch's own initial values (load a state before use)."""
    return MODELS[spec.arch](spec)

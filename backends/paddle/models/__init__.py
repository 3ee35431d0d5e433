"""Models, one file per architecture; `build_model` makes the one a spec asks for."""

from __future__ import annotations

from backends.paddle.layers import Network
from backends.paddle.models.dgcnet import DGCNet
from backends.paddle.models.espnet import ESPNet
from backends.paddle.models.fast_scnn import FastSCNN
from backends.paddle.models.pspnet import PSPNet
from backends.paddle.models.setr import SETR
from core.arch import Spec

MODELS: dict[str, type[Network]] = {
    "dgcnet": DGCNet,
    "espnet": ESPNet,
    "fast_scnn": FastSCNN,
    "pspnet": PSPNet,
    "setr": SETR,
}


def build_model(spec: Spec) -> Network:
    """The network of `spec`, with Paddle's own initial values (load a state before use)."""
    return MODELS[spec.arch](spec)

"""Models, one file per architecture; `build_model` makes the one a spec asks for."""

from __future__ import annotations

from mxnet import context, cpu

from backends.mxnet.layers import Network
from backends.mxnet.models.dgcnet import DGCNet
from backends.mxnet.models.espnet import ESPNet
from backends.mxnet.models.fast_scnn import FastSCNN
from backends.mxnet.models.pspnet import PSPNet
from backends.mxnet.models.setr import SETR
from core.arch import Spec

MODELS: dict[str, type[Network]] = {
    "dgcnet": DGCNet,
    "espnet": ESPNet,
    "fast_scnn": FastSCNN,
    "pspnet": PSPNet,
    "setr": SETR,
}


def build_model(spec: Spec, device: context.Context | None = None) -> Network:
    """The network of `spec`, with Gluon's own initial values (load a state before use), hybridized for any input size.

    `static_shape` stays off: with it, two forward passes recorded before one backward pass give a wrong gradient.
    """
    model = MODELS[spec.arch](spec)
    model.initialize(ctx=device or cpu())
    model.hybridize(static_alloc=True, static_shape=False)
    return model

"""Models, one file per architecture; `build_model` makes the one a spec asks for."""

from __future__ import annotations

from importlib import import_module

from backends.mxnet.folding import remove_norms
from backends.mxnet.layers import Network
from core.arch import Spec


def build_model(spec: Spec) -> Network:
    """The network of `spec`, with Gluon's own initial values (load a state before use), hybridized for any input size.

    Its class in the file of its architecture is the spec's without `Spec`.
    `static_shape` stays off: with it, two forward passes recorded before one backward pass give a wrong gradient.
    """
    module = import_module(f"{__name__}.{spec.arch}")
    model: Network = getattr(module, type(spec).__name__.removesuffix("Spec"))(spec)
    remove_norms(model, spec.folds())
    model.initialize()
    model.hybridize(static_alloc=True, static_shape=False)
    return model

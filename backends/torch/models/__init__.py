"""Models, one file per architecture; `build_model` makes the one a spec asks for."""

from __future__ import annotations

from importlib import import_module

from backends.torch.folding import remove_norms
from backends.torch.layers import Network
from core.arch import Spec


def build_model(spec: Spec) -> Network:
    """The network of `spec`, with PyTorch's own initial values (load a state before use).

    Its class in the file of its architecture is the spec's without `Spec`.
    """
    module = import_module(f"{__name__}.{spec.arch}")
    model: Network = getattr(module, type(spec).__name__.removesuffix("Spec"))(spec)
    remove_norms(model, spec.folds())
    return model

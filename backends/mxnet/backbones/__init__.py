"""Backbones, one file per family; `build_backbone` makes the one a spec asks for."""

from __future__ import annotations

from importlib import import_module

from backends.mxnet.layers import Backbone
from core.arch.backbones.base import BackboneSpec


def build_backbone(spec: BackboneSpec) -> Backbone:
    """The backbone of `spec`: its class in the file of its family is the spec's without `Spec`."""
    module = import_module(f"{__name__}.{spec.family}")
    return getattr(module, type(spec).__name__.removesuffix("Spec"))(spec)

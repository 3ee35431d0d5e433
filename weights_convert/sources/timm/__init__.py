"""timm's classification networks (github.com/huggingface/pytorch-image-models): PyTorch, backbones to start from."""

from __future__ import annotations

from core.arch import Spec
from weights_convert.sources.rules import Source, layouts_in


def _normalization(spec: Spec) -> str | None:
    """None for vision transformers: some are trained with ImageNet's constants, most with 0.5."""
    backbone = getattr(spec, "backbone", None)
    return None if getattr(backbone, "family", "") == "vit" else "imagenet"


SOURCE = Source(
    "timm",
    "timm, github.com/huggingface/pytorch-image-models (PyTorch), on ImageNet",
    layouts_in(__name__),
    normalization=_normalization,
)

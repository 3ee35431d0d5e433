"""timm's classification networks (github.com/huggingface/pytorch-image-models): PyTorch, backbones to start from."""

from __future__ import annotations

from weights_convert.sources.rules import Source, layouts_in

SOURCE = Source(
    "timm",
    "timm, github.com/huggingface/pytorch-image-models (PyTorch), on ImageNet",
    layouts_in(__name__),
    normalization="imagenet",
)

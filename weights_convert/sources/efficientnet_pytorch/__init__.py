"""EfficientNet-PyTorch (github.com/lukemelas/EfficientNet-PyTorch), and packages of Lite networks named like it."""

from __future__ import annotations

from weights_convert.sources.rules import Source, layouts_in

SOURCE = Source(
    "efficientnet_pytorch",
    "EfficientNet-PyTorch, github.com/lukemelas/EfficientNet-PyTorch (PyTorch), on ImageNet",
    layouts_in(__name__),
    normalization="imagenet",
)

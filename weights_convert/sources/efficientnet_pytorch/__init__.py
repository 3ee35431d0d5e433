"""EfficientNet-PyTorch (github.com/lukemelas/EfficientNet-PyTorch), and packages of Lite networks named like it."""

from __future__ import annotations

from core.arch import Spec
from core.arch.backbones.efficientnet import EfficientNetSpec
from weights_convert.sources.rules import Source, layouts_in


def _normalization(spec: Spec) -> str:
    """TensorFlow's Lite networks, which have no squeeze-and-excitation, take pictures from -1 to 1."""
    backbone = getattr(spec, "backbone", None)
    return "half" if isinstance(backbone, EfficientNetSpec) and not backbone.squeeze else "imagenet"


SOURCE = Source(
    "efficientnet_pytorch",
    "EfficientNet-PyTorch, github.com/lukemelas/EfficientNet-PyTorch (PyTorch), on ImageNet",
    layouts_in(__name__),
    normalization=_normalization,
)

"""torchvision's segmentation networks: PyTorch, `backbone.*`, `classifier.*`, `aux_classifier.*`."""

from __future__ import annotations

from weights_convert.sources.rules import Recording, Source, layouts_in

SOURCE = Source(
    "torchvision",
    "torchvision.models.segmentation, github.com/pytorch/vision (PyTorch)",
    layouts_in(__name__),
    Recording("torchvision", resizes=True),
    normalization="imagenet",
)

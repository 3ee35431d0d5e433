"""segmentation_models.pytorch: `encoder.*`, `decoder.*`, `segmentation_head.0.*`."""

from __future__ import annotations

from weights_convert.sources.rules import Recording, Source, layouts_in

SOURCE = Source(
    "smp",
    "segmentation_models.pytorch, github.com/qubvel-org/segmentation_models.pytorch (PyTorch)",
    layouts_in(__name__),
    Recording("smp", resizes=True),
    "imagenet",
)

"""pytorchcv and gluoncv2, one zoo in PyTorch and MXNet: its segmentation networks are GluonCV's under other names."""

from __future__ import annotations

from weights_convert.sources.rules import Source, layouts_in

SOURCE = Source(
    "pytorchcv",
    "pytorchcv and gluoncv2, github.com/osmr/imgclsmob (PyTorch and MXNet Gluon)",
    layouts_in(__name__),
    normalization="imagenet",  # its scripts for evaluation, as GluonCV's
)

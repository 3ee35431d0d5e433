"""GluonCV's segmentation networks (github.com/dmlc/gluon-cv): `.params` with Gluon's structural names."""

from __future__ import annotations

from weights_convert.sources.rules import Recording, Source, layouts_in

SOURCE = Source(
    "gluoncv",
    "GluonCV, github.com/dmlc/gluon-cv (MXNet Gluon)",
    layouts_in(__name__),
    Recording("GluonCV", resizes=True, in_float64=True),
    normalization="imagenet",  # gluoncv/data/transforms/presets/segmentation.py, and its training scripts
)

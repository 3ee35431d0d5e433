"""MXNetSeg (github.com/BebDong/MXNetSeg) and GluonCV's backbones in it: `.params` with Gluon's structural names."""

from __future__ import annotations

from weights_convert.sources.rules import Recording, Source, layouts_in

SOURCE = Source(
    "mxnetseg",
    "MXNetSeg on GluonCV backbones, github.com/BebDong/MXNetSeg (MXNet Gluon)",
    layouts_in(__name__),
    Recording("MXNetSeg", resizes=True, in_float64=True),
    "imagenet",
)

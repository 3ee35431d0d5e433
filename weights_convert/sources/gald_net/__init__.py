"""GALD-Net and DGCNet (github.com/lxtGH/GALD-DGCNet): PyTorch, names as in `libs/models`.

The trunk's files hold no `fc`.
"""

from __future__ import annotations

from weights_convert.sources.rules import Recording, Source, layouts_in

SOURCE = Source(
    "gald-net",
    "GALD-Net / DGCNet, github.com/lxtGH/GALD-DGCNet (PyTorch)",
    layouts_in(__name__),
    Recording("GALD-Net"),
    "bgr_mean",
)

"""Fast_Seg (github.com/lxtGH/Fast_Seg): PyTorch, names as in `libs/models`.

Its PSPNet is GALD-Net's and its ESPNet the authors', names included: the same maps, so the canonical state is the same.
"""

from __future__ import annotations

from weights_convert.sources.rules import Recording, Source, layouts_in

SOURCE = Source(
    "fast_seg",
    "Fast_Seg, github.com/lxtGH/Fast_Seg (PyTorch)",
    layouts_in(__name__),
    Recording("Fast_Seg"),
    "bgr_mean",
)

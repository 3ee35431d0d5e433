"""PaddleSeg (github.com/PaddlePaddle/PaddleSeg): `.pdparams` with structured names."""

from __future__ import annotations

from weights_convert.sources.rules import Recording, Source, layouts_in

SOURCE = Source(
    "paddleseg",
    "PaddleSeg, github.com/PaddlePaddle/PaddleSeg (PaddlePaddle)",
    layouts_in(__name__),
    Recording("PaddleSeg", resizes=True),
    "half",
)

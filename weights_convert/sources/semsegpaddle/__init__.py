"""SemSegPaddle, dynamic graph (PaddlePaddle 1.x): `.pdparams` with structured names. Linear weights are [in, out]."""

from __future__ import annotations

from weights_convert.sources.rules import Recording, Source, layouts_in

SOURCE = Source(
    "semsegpaddle",
    "SemSegPaddle, dynamic graph (PaddlePaddle)",
    layouts_in(__name__),
    Recording("SemSegPaddle", resizes=True),
)

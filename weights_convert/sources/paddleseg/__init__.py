"""PaddleSeg (github.com/PaddlePaddle/PaddleSeg): `.pdparams` with structured names."""

from __future__ import annotations

from weights_convert.sources.rules import Recording, Source, layouts_in

_LEFT_OUT = {
    "espnetv1": "another network than ESPNet: block means of the picture instead of strided pools, projections before "
    "the decoder, PReLUs of one slope, and it works with 19 classes only",
}

SOURCE = Source(
    "paddleseg",
    "PaddleSeg, github.com/PaddlePaddle/PaddleSeg (PaddlePaddle)",
    layouts_in(__name__),
    Recording("PaddleSeg", resizes=True, left_out=_LEFT_OUT),
    "half",
)

"""PaddleSeg (github.com/PaddlePaddle/PaddleSeg): `.pdparams` with structured names."""

from __future__ import annotations

from weights_convert.sources.rules import Recording, Source, layouts_in

_LEFT_OUT = {
    "espnetv1": "another network than ESPNet: block means of the picture instead of strided pools, projections before "
    "the decoder, PReLUs of one slope, and it works with 19 classes only",
    "setr_pup_vit_base": "its deepest map is normalised twice, for the main and the auxiliary head, and the decoder "
    "aligns corners otherwise than the final resize",
    "setr_mla_vit_base": "one norm and one pair of convolutions serve all levels, the classifier is 3x3 and takes the "
    "levels in the opposite order",
}

SOURCE = Source(
    "paddleseg",
    "PaddleSeg, github.com/PaddlePaddle/PaddleSeg (PaddlePaddle)",
    layouts_in(__name__),
    Recording("PaddleSeg", resizes=True, left_out=_LEFT_OUT),
    "half",
)

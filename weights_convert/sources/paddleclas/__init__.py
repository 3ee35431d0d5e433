"""PaddleClas's classification networks (github.com/PaddlePaddle/PaddleClas): PaddlePaddle, backbones to start from."""

from __future__ import annotations

from weights_convert.sources.rules import Source, layouts_in

SOURCE = Source(
    "paddleclas",
    "PaddleClas, github.com/PaddlePaddle/PaddleClas (PaddlePaddle), on ImageNet",
    layouts_in(__name__),
    normalization="imagenet",
)

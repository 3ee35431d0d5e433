"""paddle.vision.models (github.com/PaddlePaddle/Paddle): classification networks, backbones to start from."""

from __future__ import annotations

from weights_convert.sources.rules import Source, layouts_in

SOURCE = Source(
    "paddle_vision",
    "paddle.vision.models, github.com/PaddlePaddle/Paddle (PaddlePaddle), on ImageNet",
    layouts_in(__name__),
    normalization="imagenet",
)

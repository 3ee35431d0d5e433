"""ResNet and ResNeXt."""

from __future__ import annotations

from weights_convert.sources.resnet_backbones import plain_stem
from weights_convert.sources.rules import PADDLE_LEAVES

LAYOUTS = (plain_stem("ResNet", PADDLE_LEAVES),)

"""ResNet and ResNeXt, classification backbones."""

from __future__ import annotations

from weights_convert.sources.resnet_backbones import plain_stem

LAYOUTS = (plain_stem("ResNet"),)

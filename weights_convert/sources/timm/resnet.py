"""ResNet and ResNeXt; the `s` kind with a deep stem. (The `d` kind pools before it projects: another network.)"""

from __future__ import annotations

from weights_convert.sources.resnet_backbones import deep_stem, plain_stem

LAYOUTS = (plain_stem("resnet"), deep_stem("resnet of the s kind"))

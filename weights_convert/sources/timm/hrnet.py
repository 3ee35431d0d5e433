"""HRNet; the layers behind its branches (`incre_modules` and on) are the classifier's."""

from __future__ import annotations

from weights_convert.sources.hrnet_names import hrnet
from weights_convert.sources.rules import COUNTER, Drop, RuleLayout

CLASSIFIER = Drop(r"(incre_modules|downsamp_modules|final_layer|classifier)\..*", "ImageNet classifier")

LAYOUTS = (RuleLayout(name="HRNet", presets=(), rules=hrnet(), dropped=(COUNTER, CLASSIFIER), backbones=("hrnet",)),)

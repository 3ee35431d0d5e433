"""DenseNet, a classification backbone."""

from __future__ import annotations

from weights_convert.sources.densenet_names import DENSENET

LAYOUTS = (DENSENET,)

"""ESPNet: the authors', names included."""

from __future__ import annotations

from weights_convert.sources.espnet.espnet import ESPNET

LAYOUTS = (ESPNET,)

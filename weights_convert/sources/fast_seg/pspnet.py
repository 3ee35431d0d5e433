"""PSPNet: GALD-Net's, names included."""

from __future__ import annotations

from weights_convert.sources.gald_net.pspnet import PSPNET

LAYOUTS = (PSPNET,)

"""EPRNet: an FCN on its own encoder; numbers in core/arch/families/eprnet.py and core/arch/backbones/eprnet.py."""

from __future__ import annotations

from backends.mxnet.models.fcn import FCN


class EPRNet(FCN):
    """[N, 3, H, W] -> logits at 1/8."""

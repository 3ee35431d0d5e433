"""Normalisation."""

from __future__ import annotations

from mxnet.gluon import nn

from core.arch.parts import NormSpec


class BatchNorm(nn.BatchNorm):
    """Batch norm over [N, C, ...].

    MXNet's momentum is the share the old statistics keep, its running variance the biased one; both statistics change
    in the backward pass, not in the forward.
    """

    def __init__(self, channels: int, spec: NormSpec) -> None:
        # scale=True: without it MXNet fixes the scale at 1 (`fix_gamma`).
        super().__init__(
            axis=1, momentum=1 - spec.momentum, epsilon=spec.eps, center=True, scale=True, in_channels=channels
        )

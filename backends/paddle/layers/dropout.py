"""Dropout."""

from __future__ import annotations

from paddle import nn

from core.arch.parts import DropoutSpec


def dropout(spec: DropoutSpec) -> nn.Layer:
    if spec.p == 0:
        return nn.Identity()
    if spec.unit == "sample":
        return nn.Dropout(spec.p, axis=0, mode="upscale_in_train")  # one factor for a picture's whole map
    if spec.scale == "inference":
        return nn.Dropout(spec.p, mode="downscale_in_infer")
    return nn.Dropout2D(spec.p) if spec.unit == "channel" else nn.Dropout(spec.p, mode="upscale_in_train")

"""Gradient checkpointing, which Gluon's networks do not have."""

from __future__ import annotations

from mxnet.gluon import Block

from core.errors import ConfigError


def recompute_blocks(model: Block) -> None:
    """Raises ConfigError: what `autograd` records it keeps, and graphs of Gluon pass over MXNet's own mirroring."""
    raise ConfigError(
        "train.checkpoint_stages: MXNet does not recompute in Gluon's networks, and its own way, the environment "
        "variable MXNET_BACKWARD_DO_MIRROR=1, saves nothing in them; leave it out"
    )

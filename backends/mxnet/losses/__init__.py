"""What outputs cost, defined in core/losses: a table of pure terms, and the sum over a network's outputs."""

from backends.mxnet.losses.objective import MINED, TERMS, segmentation_loss

__all__ = ["MINED", "TERMS", "segmentation_loss"]

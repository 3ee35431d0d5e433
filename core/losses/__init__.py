"""The loss contract: what each output of a network costs, defined in numpy float64, value and gradient.

A term (`Term`, by its `kind`) has its settings, its definition and its divisor; the backends' native terms are tested
against it. `resolve_terms` makes the list of (output, term) of a network and a configuration, `Objective` binds it to
the labels of a batch. Logits are [N, C, H, W], labels integer [N, H, W], 255 ignored. Where every pixel is ignored each
value is 0 and so is the gradient, never nan. Written for clarity: a training step uses the backend's own terms.
"""

from core.losses.blocks import Block, Blocks, plan_blocks
from core.losses.boundary import BoundaryCrossEntropy
from core.losses.class_weights import ClassCounts, class_weights, count_classes
from core.losses.config import Cost, LossConfig, resolve_outputs, resolve_terms
from core.losses.cross_entropy import CrossEntropy, MixedSoftmax, NegativeLogLikelihood
from core.losses.focal import Focal
from core.losses.interpolation import interpolation_matrix
from core.losses.mining import OHEM, Bootstrapped, MinedTerm, NumpyCandidates
from core.losses.native import NativeCandidates, NativeLoss
from core.losses.objective import Objective, resize_labels
from core.losses.overlap import Dice, LovaszSoftmax, lovasz_weights
from core.losses.pixels import Labels
from core.losses.term import Measure, Mined, Term

__all__ = [
    "OHEM",
    "Block",
    "Blocks",
    "Bootstrapped",
    "BoundaryCrossEntropy",
    "ClassCounts",
    "Cost",
    "CrossEntropy",
    "Dice",
    "Focal",
    "Labels",
    "LossConfig",
    "LovaszSoftmax",
    "Measure",
    "Mined",
    "MinedTerm",
    "MixedSoftmax",
    "NativeCandidates",
    "NativeLoss",
    "NegativeLogLikelihood",
    "NumpyCandidates",
    "Objective",
    "Term",
    "class_weights",
    "count_classes",
    "interpolation_matrix",
    "lovasz_weights",
    "plan_blocks",
    "resize_labels",
    "resolve_outputs",
    "resolve_terms",
]

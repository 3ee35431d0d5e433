"""The zoo in MXNet (Gluon)."""

from __future__ import annotations

import warnings

import numpy as np

# MXNet 1.9 asks for `numpy.bool` when it is imported, an alias that numpy 1.24 removed and numpy 2 brought back.
if "bool" not in vars(np):
    np.bool = np.bool_

# Several originals have parameters that nothing uses (SETR's unused token and norms); Gluon asks whether that is meant.
warnings.filterwarnings("ignore", message="Parameter .* is not used by any computation")

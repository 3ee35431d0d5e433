"""The zoo in MXNet (Gluon).

MXNet 1.9 is older than the numpy and Python it runs on; what it needs to be imported, and to be quiet, stands here.
"""

from __future__ import annotations

import signal
import threading
import warnings

import numpy as np

from core.description import require_framework

require_framework(__name__)

# An alias that numpy 1.24 removed and numpy 2 brought back.
if "bool" not in vars(np):
    vars(np)["bool"] = np.bool_

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # distutils, which Python 3.12 removed
    import mxnet  # noqa: F401

# MXNet's own handler makes exit status 255 of a segmentation fault; the signal says more to whoever waits for it.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)

# Several originals have parameters that nothing uses (SETR's unused token and norms); Gluon asks whether that is meant.
warnings.filterwarnings("ignore", message="Parameter .* is not used by any computation")

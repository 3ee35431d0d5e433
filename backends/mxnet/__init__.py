"""The zoo in MXNet (Gluon).

MXNet 1.9 is older than the numpy and Python it runs on; what it needs to be imported, and to be quiet, stands here.
By ps-lite's environment variables a process is a worker of several, or becomes a server or the scheduler when MXNet is
imported; processes of one run are bound together before that, for ps-lite does not notice that one is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings

import numpy as np

from core.bond import Holder, Member
from core.description import require_framework
from core.errors import ConfigError
from core.shard import Roles

require_framework(__name__)

ROLES = Roles(
    "DMLC_ROLE",
    ("scheduler", "server", "worker"),
    "DMLC_NUM_WORKER",
    ("DMLC_PS_ROOT_URI", "DMLC_PS_ROOT_PORT", "DMLC_NUM_SERVER"),
    "the command in every role (docs/distributed.md)",
)


def _take_role() -> tuple[int, Member | Holder | None]:
    """The number of workers, and what binds this process to them."""
    try:
        role, workers = ROLES.read(os.environ)
    except ConfigError as error:
        if sys.argv[:1] != ["-m"]:
            raise
        print(f"error: {error}", file=sys.stderr)  # Python imports the package before the job can catch anything
        raise SystemExit(2) from None
    if role is None:
        return 1, None
    port = int(os.environ["DMLC_PS_ROOT_PORT"]) + 1
    try:
        if role == "scheduler":
            return workers, Holder(port)
        return workers, Member(os.environ["DMLC_PS_ROOT_URI"], port, f"a {role}, process {os.getpid()},")
    except OSError as error:
        print(
            f"error: port {port} of {os.environ['DMLC_PS_ROOT_URI']}, by which the processes of this run end together, "
            f"cannot be used ({error.strerror or error}); choose another DMLC_PS_ROOT_PORT",
            file=sys.stderr,
        )
        raise SystemExit(2) from None


WORKERS, BOND = _take_role()

# An alias that numpy 1.24 removed and numpy 2 brought back.
if "bool" not in vars(np):
    vars(np)["bool"] = np.bool_

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # distutils, which Python 3.12 removed
    try:
        import mxnet  # noqa: F401
    except SystemExit:  # a server, or the scheduler, that was needed no longer
        if isinstance(BOND, Member):
            BOND.leave()
        raise

# MXNet's own handler makes exit status 255 of a segmentation fault; the signal says more to whoever waits for it.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)

# Several originals have parameters that nothing uses (SETR's unused token and norms); Gluon asks whether that is meant.
warnings.filterwarnings("ignore", message="Parameter .* is not used by any computation")

"""What the end of a process says: which signal, and what to try."""

from __future__ import annotations

import os
import signal

_NATIVE = (
    "a fault in native code, often of one kind of processor: try DNNL_MAX_CPU_ISA=AVX2 (or SSE41) in the environment, "
    "and for MXNet MXNET_MKLDNN_ENABLED=0"
)
_WHAT_TO_TRY = {
    "SIGFPE": _NATIVE,
    "SIGILL": _NATIVE,
    "SIGSEGV": _NATIVE,
    "SIGABRT": _NATIVE,
    "SIGBUS": "often a full /dev/shm: try data.workers=0 or a larger /dev/shm",
    "SIGKILL": "most often the system had no memory left: try a smaller batch, crop or picture, or fewer jobs at once",
    "SIGTERM": "something else ended it: look at the job scheduler and its time limit",
    "SIGINT": "it was interrupted from the keyboard",
}


def describe_end(status: int) -> str:
    """`ended with status 1`, or `died of SIGFPE (…): …` with what to try; `status` as subprocess gives it.

    A shell between says 128 + the signal's number, which is understood too.
    """
    number = -status if status < 0 else status - 128
    if number not in set(signal.Signals):
        return f"ended with status {status}"
    name, meaning = signal.Signals(number).name, signal.strsignal(number)
    advice = _WHAT_TO_TRY.get(name)
    return f"died of {name} ({meaning})" + (f": {advice}" if advice else "")


def is_alive(number: str) -> bool:
    """Whether there is a process of that number; what is no number counts as one."""
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (ValueError, PermissionError, OverflowError):
        return True
    return True

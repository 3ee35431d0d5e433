"""What the end of a process says: which signal, and what to try."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

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


PATIENCE = 3.0  # seconds in which a terminated process may end in order


class Terminated(BaseException):
    """SIGTERM has come."""


@contextlib.contextmanager
def ending_on_sigterm(advice: str) -> Iterator[None]:
    """In the block SIGTERM raises Terminated; where native code keeps Python from doing so (a process that waits for
    others), the process ends a little later all the same, with a sentence. Forked children have the usual SIGTERM.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner, ended = os.getpid(), threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    def watch() -> None:
        while received := os.read(reader, 1):
            if received[0] == signal.SIGTERM and not ended.wait(PATIENCE):
                print(f"terminated by SIGTERM; {advice}", file=sys.stderr, flush=True)
                os._exit(128 + signal.SIGTERM)
        os.close(reader)

    def forget() -> None:
        """In a forked child: a signal that it gets is not its parent's."""
        if signal.getsignal(signal.SIGTERM) is stop and os.getpid() != owner:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    os.register_at_fork(after_in_child=forget)
    before = signal.signal(signal.SIGTERM, stop)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
        os.close(writer)  # and the thread ends

"""The zoo in PaddlePaddle.

Importing this package before `paddle` makes Paddle several times faster on a processor (docs/framework_differences.md):
it computes on one thread unless told otherwise, and the MKL in its wheels takes its slowest path on processors that are
not Intel's. Both are settled by environment variables, read once, when the library loads; values the user has set stay.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from pathlib import Path

from core.description import require_framework


def _processor() -> str:
    """What Linux says of the processor, empty elsewhere."""
    with contextlib.suppress(OSError):
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    return ""


def _processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _prepare_environment() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", str(_processors()))
    processor = _processor()
    if "GenuineIntel" not in processor and "avx2" in processor:
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")  # 5: the AVX2 path


def _import_quietly() -> None:
    """Imports Paddle without its warnings about these threads and about a missing compiler cache."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No ccache found")
        import paddle
    paddle.disable_signal_handler()  # a command that is stopped ends without a C++ traceback
    expected = ("OMP_NUM_THREADS", "optimized if you use data parallel", "OpenBlas")
    for line in said.getvalue().splitlines():
        if not any(word in line for word in expected):
            print(line, file=sys.stderr)


require_framework(__name__)
_prepare_environment()
_import_quietly()

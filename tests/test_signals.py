"""How a process ended, in words."""

from __future__ import annotations

import pytest

from core.signals import describe_end


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (-8, ["died of SIGFPE", "DNNL_MAX_CPU_ISA=AVX2", "MXNET_MKLDNN_ENABLED=0"]),
        (128 + 11, ["died of SIGSEGV", "DNNL_MAX_CPU_ISA"]),
        (-9, ["died of SIGKILL", "memory", "smaller batch"]),
        (-7, ["died of SIGBUS", "data.workers=0"]),
        (-10, ["died of SIGUSR1"]),
        (1, ["ended with status 1"]),
        (128, ["ended with status 128"]),
        (-200, ["ended with status -200"]),
    ],
)
def test_signals_have_names_and_advice(status: int, words: list[str]) -> None:
    assert all(word in describe_end(status) for word in words)

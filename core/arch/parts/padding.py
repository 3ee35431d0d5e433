"""Padding that keeps the size."""

from __future__ import annotations

from core.arch.inventory import Kernel


def same_padding(kernel: Kernel, dilation: int = 1) -> tuple[int, int]:
    """(rows, columns) of zeros on each side that keep a map's size at stride 1, for an odd kernel."""
    rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    return dilation * (rows // 2), dilation * (columns // 2)

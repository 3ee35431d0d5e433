"""Padding that keeps the size."""

from __future__ import annotations

from typing import Literal

from core.arch.inventory import Kernel

# Of a strided convolution: as many zeros on either side; or, as TensorFlow's SAME, the fewest that give the size over
# the stride, rounded up, an odd one behind.
Padding = Literal["symmetric", "same"]


def same_padding(kernel: Kernel, dilation: int = 1) -> tuple[int, int]:
    """(rows, columns) of zeros on each side that keep a map's size at stride 1, for an odd kernel."""
    rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    return dilation * (rows // 2), dilation * (columns // 2)


def halving_kernel(kernel: Kernel, stride: int, dilation: int) -> int:
    """The side of the kernel where `same` padding differs from `symmetric`, at stride 2; 0 where it does not.

    Raises ValueError for a strided convolution that is none of those used: another stride, rectangular, even, dilated.
    """
    if stride == 1:
        return 0
    if stride != 2 or not isinstance(kernel, int) or kernel % 2 == 0 or dilation != 1:
        raise ValueError(f"`same` padding: kernel {kernel}, stride {stride}, dilation {dilation} is not provided for")
    return 0 if kernel == 1 else kernel


def halving_padding(kernel: int, side: int) -> tuple[int, int]:
    """(before, after) for `same` padding at stride 2: one fewer before an even side; `side` may be symbolic."""
    return kernel // 2 - 1 + side % 2, kernel // 2

"""Logits resized to labels a few rows at a time.

A loss that is a sum over pixels needs no [N, C, H, W] at the labels' size: rows of the labels need few rows of the
logits, and what they add to the gradient belongs to those. The columns are resized once (h x W instead of H x W).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from core.losses.interpolation import interpolation_matrix
from core.losses.pixels import Array

BLOCK_VALUES = 2**19  # logits in a block: 2 MiB of float32, which a processor's cache holds

Size = tuple[int, int]


@dataclass(frozen=True)
class Block:
    """Rows `target` of the labels, the rows `source` of the logits they need, and the matrix between them [R, s]."""

    target: slice
    source: slice
    rows: Array


@dataclass(frozen=True)
class Blocks:
    """How a picture's logits [C, h, w] become those of its labels [C, H, W]: rows @ (logits @ columns.T), in blocks.

    columns [W, w] is None, and rows are empty, where the logits have the size of the labels: nothing is resized.
    """

    blocks: tuple[Block, ...]
    columns: Array | None


@functools.lru_cache(maxsize=64)
def plan_blocks(source: Size, target: Size, align_corners: bool, classes: int, values: int = BLOCK_VALUES) -> Blocks:
    """Blocks of at most about `values` logits of one picture, `classes` x rows x W, at least one row each."""
    height = max(1, values // (classes * target[1]))
    tops = range(0, target[0], height)
    if source == target:
        whole = np.zeros((0, 0))
        return Blocks(
            tuple(Block(rows, rows, whole) for rows in (slice(t, min(t + height, target[0])) for t in tops)), None
        )
    matrix = interpolation_matrix(source[0], target[0], align_corners)
    blocks = []
    for top in tops:
        part = matrix[top : top + height]
        needed = np.flatnonzero(part.any(axis=0))
        first, last = int(needed[0]), int(needed[-1]) + 1
        blocks.append(Block(slice(top, top + len(part)), slice(first, last), part[:, first:last]))
    return Blocks(tuple(blocks), interpolation_matrix(source[1], target[1], align_corners))

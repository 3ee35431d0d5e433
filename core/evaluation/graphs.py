"""Networks that are run as graphs where that is faster, and proven to give the plain network's logits."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import numpy as np

Forward = Callable[[np.ndarray], np.ndarray]  # float32 [N, 3, h, w] -> the main head's logits, float32 [N, C, h', w']

AFTER = 2  # inputs of a shape before a graph of it is made, which takes as long as some plain passes
KEPT = 8  # shapes whose graphs are kept
TOLERANCE = 1e-4  # of the largest logit: what folded batch norms are held to
SWITCH = "SEGPARITY_GRAPHS"


class GraphForward:
    """A plain network, from the third input of a shape on as a graph of that shape.

    compile: the shape's graph, run often enough to have settled. Its logits of the first input are held against the
    plain network's; where it fails or differs, that is said once and the network stays plain. SEGPARITY_GRAPHS=0 in the
    environment asks for no graphs.
    """

    def __init__(self, plain: Forward, compile: Callable[[tuple[int, ...]], Forward]) -> None:
        self.plain, self.compile = plain, compile
        self.tries = os.environ.get(SWITCH, "1") != "0"
        self._seen: dict[tuple[int, ...], int] = {}
        self._graphs: dict[tuple[int, ...], Forward] = {}

    def __call__(self, images: np.ndarray) -> np.ndarray:
        shape = images.shape
        if shape in self._graphs:
            return self._graphs[shape](images)
        seen = self._seen[shape] = self._seen.get(shape, 0) + 1
        expected = self.plain(images)
        if self.tries and seen > AFTER and np.isfinite(expected).all():
            self._add(shape, images, expected)
        return expected

    def has(self, shape: tuple[int, ...]) -> bool:
        """Whether inputs of the shape run as a graph by now."""
        return shape in self._graphs

    def _add(self, shape: tuple[int, ...], images: np.ndarray, expected: np.ndarray) -> None:
        try:
            graph = self.compile(shape)
            found = graph(images)
        except Exception as error:  # the frameworks' own exceptions have no common class
            return self._give_up(shape, next(iter(str(error).splitlines()), type(error).__name__))
        if found.shape != expected.shape:
            return self._give_up(shape, f"it gives {list(found.shape)}, not {list(expected.shape)}")
        distance, scale = float(np.abs(found - expected).max()), float(np.abs(expected).max())
        if not distance <= TOLERANCE * scale:
            return self._give_up(shape, f"its logits are {distance:.2g} off, of {scale:.2g}")
        if len(self._graphs) == KEPT:
            del self._graphs[next(iter(self._graphs))]
        self._seen.pop(shape)
        self._graphs[shape] = graph

    def _give_up(self, shape: tuple[int, ...], why: str) -> None:
        self.tries = False
        print(f"the network goes on without a graph, more slowly: the one for {list(shape)}: {why}", file=sys.stderr)

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

    compilers: ways to make a shape's graph, the fastest first, each run often enough to have settled. A graph's logits
    of the first input are held against the plain network's: a way that fails or differs is never asked again. Where
    none is left, that is said and the network stays plain. SEGPARITY_GRAPHS=0 in the environment asks for no graphs.
    """

    def __init__(self, plain: Forward, *compilers: Callable[[tuple[int, ...]], Forward]) -> None:
        self.plain, self.compilers = plain, list(compilers)
        if os.environ.get(SWITCH, "1") == "0":
            self.compilers = []
        self._seen: dict[tuple[int, ...], int] = {}
        self._graphs: dict[tuple[int, ...], Forward] = {}

    def __call__(self, images: np.ndarray) -> np.ndarray:
        shape = images.shape
        if shape in self._graphs:
            return self._graphs[shape](images)
        seen = self._seen[shape] = self._seen.get(shape, 0) + 1
        expected = self.plain(images)
        if self.compilers and seen > AFTER and np.isfinite(expected).all():
            self._add(shape, images, expected)
        return expected

    def has(self, shape: tuple[int, ...]) -> bool:
        """Whether inputs of the shape run as a graph by now."""
        return shape in self._graphs

    def _add(self, shape: tuple[int, ...], images: np.ndarray, expected: np.ndarray) -> None:
        while self.compilers:
            graph, fault = _proven(self.compilers[0], images, expected)
            if graph is not None:
                if len(self._graphs) == KEPT:
                    del self._graphs[next(iter(self._graphs))]
                del self._seen[shape]
                self._graphs[shape] = graph
                return
            del self.compilers[0]
            if not self.compilers:
                print(
                    f"the network goes on without a graph, more slowly: the one for {list(shape)}: {fault}",
                    file=sys.stderr,
                )


def _proven(
    compiler: Callable[[tuple[int, ...]], Forward], images: np.ndarray, expected: np.ndarray
) -> tuple[Forward | None, str]:
    """The graph, or None and why not."""
    try:
        graph = compiler(images.shape)
        found = graph(images)
    except Exception as error:  # the frameworks' own exceptions have no common class
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return None, lines[-1] if lines else type(error).__name__  # tracebacks of compilers stand before it
    if found.shape != expected.shape:
        return None, f"it gives {list(found.shape)}, not {list(expected.shape)}"
    distance, scale = float(np.abs(found - expected).max()), float(np.abs(expected).max())
    if not distance <= TOLERANCE * scale:
        return None, f"its logits are {distance:.2g} off, of {scale:.2g}"
    return graph, ""

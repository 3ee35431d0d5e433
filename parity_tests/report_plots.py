"""The report's plots, as SVG text."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, which the colour-blind can tell apart; line styles say the same.
PAIRS = {"torch – paddle": ("#0072b2", "-"), "torch – mxnet": ("#d55e00", "--"), "paddle – mxnet": ("#009e73", ":")}
LEAST = 1e-17
SINGLE_LEAST = 3e-8


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True)
    plt.close(figure)
    drawing = text.getvalue()
    return drawing[drawing.index("<svg") :]


def _grid(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    columns = min(3, count)
    rows = -(-count // columns)
    with plt.rc_context({"font.size": 9, "font.family": "DejaVu Sans", "svg.fonttype": "path"}):
        figure, axes = plt.subplots(
            rows, columns, figsize=(width * columns, height * rows), squeeze=False, layout="constrained"
        )
    flat = list(axes.flat)
    for unused in flat[count:]:
        unused.set_axis_off()
    for used in flat[:count]:
        used.spines[["top", "right"]].set_visible(False)
        used.grid(alpha=0.25, linewidth=0.6)
        used.set_yscale("log")
    return figure, flat[:count]


def divergence_plot(curves: dict[str, dict[str, list[float]]]) -> str:
    """One panel per network: pairs as lines, what one ulp does to single frameworks as a band."""
    figure, panels = _grid(len(curves), 4.0, 2.7)
    for axes, (case, lines) in zip(panels, curves.items()):
        own = np.array([np.maximum(line, SINGLE_LEAST) for title, line in lines.items() if title.endswith("one ulp")])
        steps = np.arange(1, own.shape[1] + 1)
        axes.fill_between(steps, SINGLE_LEAST, own.max(axis=0), color="#adb5bd", alpha=0.55, linewidth=0)
        for title, line in lines.items():
            if title in PAIRS:
                colour, style = PAIRS[title]
                axes.plot(steps, np.maximum(line, SINGLE_LEAST), style, color=colour, lw=1.6)
        axes.set_title(case, loc="left", fontsize=10, fontweight="bold")
        axes.set_ylim(SINGLE_LEAST, 1)
        axes.set_xlim(1, steps[-1])
    panels[0].set_ylabel("relative difference of the loss")
    for axes in panels[-3:]:
        axes.set_xlabel("iteration")
    return _svg(figure)


def profile_plot(profiles: dict[str, dict[str, list[Any]]]) -> str:
    """One panel per network: the difference of every submodule's output, float64 below, float32 above."""
    figure, panels = _grid(len(profiles), 4.0, 2.7)
    for axes, (case, lines) in zip(panels, profiles.items()):
        for title, profile in lines.items():
            pair, dtype = title.rsplit(", ", 1)
            colour, style = PAIRS.get(pair, ("#495057", "-"))
            relative = np.array([value for _, value in profile])
            values = np.where(relative == 0, np.nan, np.clip(relative, LEAST, 1))
            axes.plot(np.arange(1, len(values) + 1), values, style, color=colour, lw=1.3)
            if pair == next(iter(PAIRS)):
                height = float(np.nanmax(values)) * 4
                axes.text(len(values), height, dtype, ha="right", va="bottom", fontsize=8, color="#343a40")
        for level, word in ((2.0**-52, "float64 ε"), (2.0**-23, "float32 ε")):
            axes.axhline(level, color="#868e96", lw=0.8)
            axes.text(1.5, level * 0.7, word, color="#495057", fontsize=7, va="top")
        axes.set_title(case, loc="left", fontsize=10, fontweight="bold")
        axes.set_ylim(LEAST, 1e-1)
        axes.set_xlim(left=1)
    panels[0].set_ylabel("relative difference of the output")
    for axes in panels[-3:]:
        axes.set_xlabel("submodule, in order of computation")
    return _svg(figure)

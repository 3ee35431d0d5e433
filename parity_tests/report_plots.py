"""The report's plots, as SVG text."""

from __future__ import annotations

import io
from itertools import combinations, cycle
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core.description import backend_names

# Okabe and Ito's colours, which the colour-blind can tell apart; line styles say the same.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_STYLES = tuple(zip(_COLOURS, cycle(("-", "--", ":"))))
PAIRS = dict(zip((f"{a} – {b}" for a, b in combinations(backend_names(), 2)), cycle(_STYLES)))
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


# Runs of the demonstration, in the same colours; the twin is a broad grey line that others can lie upon.
RUNS = dict(zip(backend_names(), cycle(_STYLES)))
TWIN_STYLE = ("#adb5bd", "-")


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    """The mean over the `width` values up to each one, fewer at the beginning; [iterations]."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    means: np.ndarray = (sums[ends] - sums[starts]) / (ends - starts)
    return means


def _single() -> tuple[Figure, Axes]:
    """A small figure, legible on a phone without enlarging."""
    with plt.rc_context({"font.size": 10, "font.family": "DejaVu Sans", "svg.fonttype": "path"}):
        figure, axes = plt.subplots(figsize=(4.6, 3.3), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_xlabel("iteration")
    return figure, axes


def loss_plot(losses: dict[str, list[float]]) -> str:
    """The runs' losses, each the mean of the last twentieth of the run; a run that is no framework is the twin."""
    figure, axes = _single()
    for name, values in sorted(losses.items(), key=lambda item: item[0] in RUNS):
        colour, style = RUNS.get(name, TWIN_STYLE)
        smooth = _smooth(np.asarray(values), max(1, len(values) // 20))
        axes.plot(np.arange(1, len(smooth) + 1), smooth, style, color=colour, lw=1.8 if name in RUNS else 5, label=name)
    axes.set_ylabel("training loss")
    figure.legend(frameon=False, loc="outside upper center", ncols=2)
    return _svg(figure)


def gap_plot(gaps: dict[str, list[float]]) -> str:
    """How far each run's losses are from the first run's: relative, the geometric mean over a fortieth of the run."""
    figure, axes = _single()
    for name, values in sorted(gaps.items(), key=lambda item: item[0] in RUNS):
        colour, style = RUNS.get(name, TWIN_STYLE)
        logs = _smooth(np.log10(np.maximum(values, SINGLE_LEAST)), max(1, len(values) // 40))
        axes.semilogy(
            np.arange(1, len(logs) + 1), 10**logs, style, color=colour, lw=1.8 if name in RUNS else 5, label=name
        )
    axes.set_ylabel("relative difference of the loss")
    axes.set_ylim(SINGLE_LEAST, 1)
    figure.legend(frameon=False, loc="outside upper center", ncols=2)
    return _svg(figure)
